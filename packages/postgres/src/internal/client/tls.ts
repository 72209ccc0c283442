import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFile } from "node:fs/promises"
import * as NodeTls from "node:tls"
import type { Parameters, Problem } from "./connectionUrl.ts"

/** How a connection is encrypted. */
export interface Tls {
  /** Goes on without TLS when the server has none. */
  readonly isOptional: boolean
  /** Begins with TLS, without asking the server for it. */
  readonly isDirect: boolean
  /** Whether the server's certificate must be from a trusted authority, and for the host that was meant. */
  readonly verify: "nothing" | "authority" | "host"
  readonly hasServerName: boolean
  readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly crl?: string }
  readonly isSystemTrusted: boolean
  readonly options: NodeTls.ConnectionOptions
}

/** The TLS that an application has set up by itself. */
export const ofOptions = (ssl: true | NodeTls.ConnectionOptions): Tls => ({
  isOptional: false,
  isDirect: false,
  verify: "host",
  hasServerName: true,
  files: {},
  isSystemTrusted: false,
  options: ssl === true ? {} : ssl
})

const modes = new Set(["require", "verify-ca", "verify-full"])
const sayMode = "needs sslmode=verify-full, verify-ca or require"

/** What a URL says about TLS, with libpq's meanings: undefined for none, or what is wrong. */
export const ofParameters = (given: Parameters): Result.Result<Tls | undefined, Problem> => {
  const rootCert = given.get("sslrootcert")
  const isSystemTrusted = rootCert === "system"
  const mode = given.get("sslmode") ?? (given.has("ssl") ? "require" : isSystemTrusted ? "verify-full" : "disable")
  const isDirect = given.get("sslnegotiation") === "direct"
  if (!modes.has(mode)) {
    const useless = ["sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"].find((name) => given.has(name))
    if (useless !== undefined) return Result.fail({ parameter: useless, detail: sayMode })
    if (isDirect) {
      return Result.fail({ parameter: "sslnegotiation", detail: `can be direct only with TLS: it ${sayMode}` })
    }
  }
  if (isSystemTrusted && mode !== "verify-full") {
    return Result.fail({
      parameter: "sslrootcert",
      detail: "can be system only with sslmode=verify-full, because anyone can have a certificate of such an authority"
    })
  }
  if (mode === "verify-ca" && rootCert === undefined) {
    return Result.fail({
      parameter: "sslmode",
      detail: "can be verify-ca only with sslrootcert, the file with the authority's certificate. Or write verify-full"
    })
  }
  for (const [one, other] of [["sslcert", "sslkey"], ["sslkey", "sslcert"]] as const) {
    if (given.has(one) && !given.has(other)) return Result.fail({ parameter: one, detail: `needs ${other} beside it` })
  }
  if (mode === "disable") return Result.succeed(undefined)
  const minVersion = versionOf(given.get("ssl_min_protocol_version"))
  const maxVersion = versionOf(given.get("ssl_max_protocol_version"))
  const passphrase = given.get("sslpassword")
  const [crl, cert, key] = [given.get("sslcrl"), given.get("sslcert"), given.get("sslkey")]
  const isClientNamed = cert !== undefined && key !== undefined && given.get("sslcertmode") !== "disable"
  return Result.succeed({
    isOptional: !modes.has(mode),
    isDirect,
    // libpq's require verifies as verify-ca does when it has an authority.
    verify: mode === "verify-full" ? "host" : rootCert === undefined ? "nothing" : "authority",
    hasServerName: given.get("sslsni") !== "0",
    files: {
      ...(rootCert !== undefined && !isSystemTrusted && { ca: rootCert }),
      ...(isClientNamed && { cert, key }),
      ...(crl !== undefined && { crl })
    },
    isSystemTrusted,
    options: {
      ...(minVersion !== undefined && { minVersion }),
      ...(maxVersion !== undefined && { maxVersion }),
      ...(passphrase !== undefined && { passphrase })
    }
  })
}

const versionOf = (value: string | undefined): NodeTls.SecureVersion | undefined =>
  (["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const).find((version) => version === value)

/** A file of certificates that can't be read. */
export class FileUnreadable
  extends Data.TaggedError("FileUnreadable")<{ readonly parameter: string; readonly message: string }>
{}

const parameterOf = { ca: "sslrootcert", cert: "sslcert", key: "sslkey", crl: "sslcrl" } as const

/** Reads the files of certificates, as they are now: they may have been renewed since the last connection. */
export const read = (tls: Tls): Effect.Effect<NodeTls.ConnectionOptions, FileUnreadable> =>
  Effect.map(
    Effect.all({
      ca: contents("ca", tls.files.ca),
      cert: contents("cert", tls.files.cert),
      key: contents("key", tls.files.key),
      crl: contents("crl", tls.files.crl)
    }),
    (files): NodeTls.ConnectionOptions => ({
      ...files,
      ...(tls.isSystemTrusted && { ca: NodeTls.getCACertificates("system") }),
      ...(tls.verify === "nothing" && { rejectUnauthorized: false }),
      ...(tls.verify === "authority" && { checkServerIdentity: () => undefined }),
      ...(tls.isDirect && { ALPNProtocols: ["postgresql"] }),
      ...tls.options
    })
  )

const contents = (kind: keyof typeof parameterOf, path: string | undefined) =>
  path === undefined ? Effect.undefined : Effect.tryPromise({
    try: (signal) => readFile(path, { encoding: "utf8", signal }),
    catch: (cause) =>
      new FileUnreadable({
        parameter: parameterOf[kind],
        message: `names a file that can't be read: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })
