/**
 * Takes a token. It stays in the tab, and is sent to this server alone.
 */
import { isUnknown, setToken, token } from "../data/client.ts"
import { Dialog } from "../parts/Dialog.tsx"

export const TokenDialog = ({ onClose }: { readonly onClose: () => void }) => (
  <Dialog label="Token" onClose={onClose}>
    <h2>Token</h2>
    <p>
      {isUnknown.value
        ? token.value === "" ? "This server asks for a token." : "This server does not know the token."
        : token.value === ""
        ? "No token is given, and none was asked for."
        : "A token is given."} It is kept until the tab is closed.
    </p>
    <form
      method="dialog"
      onSubmit={(event) => {
        const given = new FormData(event.currentTarget).get("token")
        if (typeof given === "string" && given.trim() !== "") setToken(given.trim())
      }}
    >
      <label>
        Token
        <input name="token" type="password" autocomplete="off" autofocus spellcheck={false} />
      </label>
      <div class="buttons">
        {token.value === ""
          ? null
          : (
            <button
              type="button"
              onClick={(event) => {
                setToken("")
                event.currentTarget.closest("dialog")?.close()
              }}
            >
              Forget it
            </button>
          )}
        <button type="submit" class="first">Use it</button>
      </div>
    </form>
  </Dialog>
)
