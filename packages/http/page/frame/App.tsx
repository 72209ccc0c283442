/**
 * The frame of every view: the header, the rail, and the place of the view.
 */
import { useSignal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { address } from "../data/address.ts"
import { isUnknown } from "../data/client.ts"
import { Empty } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import { rail, viewOf } from "../views/routes.ts"
import { Guard } from "./Guard.tsx"
import { Header } from "./Header.tsx"
import { Help } from "./Help.tsx"
import { listen } from "./keys.ts"
import { TokenDialog } from "./TokenDialog.tsx"

const Nowhere = () => (
  <View title="Nothing here">
    <Empty title="No view has this address">
      Look for it in the search box: <kbd>/</kbd>
    </Empty>
  </View>
)

const Rail = () => {
  const [current = ""] = address.value.segments
  return (
    <nav class="rail" aria-label="Views">
      {rail.map(({ label, path }) => (
        <a
          key={path}
          href={path === "" ? "./" : path}
          {...(path === current ? { "aria-current": "page" as const } : {})}
        >
          {label}
        </a>
      ))}
    </nav>
  )
}

export const App = () => {
  const isHelpOpen = useSignal(false)
  const isTokenOpen = useSignal(false)
  useEffect(() =>
    listen(() => {
      isHelpOpen.value = true
    }), [isHelpOpen])
  useEffect(() => {
    if (isUnknown.value) isTokenOpen.value = true
  }, [isUnknown.value, isTokenOpen])
  const found = viewOf(address.value.segments)
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById("main")?.focus()
        }}
      >
        Skip to the view
      </a>
      <Header
        onHelp={() => {
          isHelpOpen.value = true
        }}
        onToken={() => {
          isTokenOpen.value = true
        }}
      />
      <Rail />
      <main id="main" tabIndex={-1}>
        <Guard key={address.value.segments.join("/")}>
          {found === undefined ? <Nowhere /> : <found.View key={found.path} params={found.params} />}
        </Guard>
      </main>
      {isHelpOpen.value
        ? (
          <Help
            onClose={() => {
              isHelpOpen.value = false
            }}
          />
        )
        : null}
      {isTokenOpen.value
        ? (
          <TokenDialog
            onClose={() => {
              isTokenOpen.value = false
            }}
          />
        )
        : null}
    </>
  )
}
