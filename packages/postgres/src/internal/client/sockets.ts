import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as NodeTls from "node:tls"
import type { Tls } from "./tls.ts"

/** Where a server listens. */
export interface Host {
  /** The name that its certificate must have. */
  readonly name: string
  /** As in messages. */
  readonly label: string
  /** The Unix socket, or the address to connect to. */
  readonly to: { readonly path: string } | { readonly host: string; readonly port: number }
}

/** How to connect to a host. */
export interface Transport {
  readonly host: Host
  readonly tls: Tls | undefined
  /** What the files of certificates say. */
  readonly options: NodeTls.ConnectionOptions
  /** The idle time in milliseconds before keep-alives, if any. */
  readonly keepAlive: number | undefined
}

/** The connection can't be encrypted as it should be. */
export class TlsUnusable
  extends Data.Error<{ readonly message: string; readonly code?: string; readonly cause?: Error }>
{}

const unusable = (host: Host, cause: Error) =>
  new TlsUnusable({
    message: `no TLS connection to ${host.label}: ${cause.message}`,
    cause,
    ..."code" in cause && typeof cause.code === "string" && { code: cause.code }
  })

type Outcome = { readonly socket: Net.Socket } | { readonly error: Error }

const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const [yes, no] = ["S".charCodeAt(0), "N".charCodeAt(0)]

/**
 * Connects, and agrees on TLS, until the next thing to send is the startup message. Calls back once. What it returns gives up.
 */
const connect = ({ host, keepAlive, options, tls }: Transport, done: (outcome: Outcome) => void): () => void => {
  let socket: Net.Socket = Net.connect({
    ...host.to,
    noDelay: true,
    ...(keepAlive !== undefined && { keepAlive: true, keepAliveInitialDelay: keepAlive })
  })
  let isDone = false
  let isEncrypting = false

  const end = (outcome: Outcome): void => {
    if (isDone) return
    isDone = true
    socket.off("error", onError).off("close", onClose)
    // The socket has no other listener until it is used, and an error without one would end the process.
    socket.on("error", () => {})
    if ("error" in outcome) socket.destroy()
    done(outcome)
  }
  const onError = (error: Error): void => end({ error: isEncrypting ? unusable(host, error) : error })
  const onClose = (): void => onError(new Error("the server closed the connection"))
  const listenTo = (next: Net.Socket): void => {
    socket = next.on("error", onError).on("close", onClose)
  }

  const encrypt = (): void => {
    socket.off("error", onError).off("close", onClose)
    isEncrypting = true
    const isNamed = tls?.hasServerName === true && Net.isIP(host.name) === 0
    const encrypted = NodeTls.connect({
      host: host.name,
      ...(isNamed && { servername: host.name }),
      ...options,
      socket
    })
    listenTo(encrypted)
    encrypted.once("secureConnect", () => {
      // A proxy for another protocol would have agreed on none.
      if (tls?.isDirect === true && encrypted.alpnProtocol !== "postgresql") {
        return onError(new Error("the server does not know sslnegotiation=direct: it is for PostgreSQL 17 and later"))
      }
      end({ socket: encrypted })
    })
  }

  const onAnswer = (answer: Buffer): void => {
    // More than a byte would be from who is in between: it came before the encryption.
    if (answer.length === 1 && answer[0] === yes) return encrypt()
    if (answer.length === 1 && answer[0] === no && tls?.isOptional === true) return end({ socket })
    const isRefusal = answer.length === 1 && answer[0] === no
    const why = isRefusal ? "the server offers no TLS" : "the server did not answer as PostgreSQL does"
    end({ error: unusable(host, new Error(why)) })
  }

  listenTo(socket)
  socket.once("connect", () => {
    // As for libpq, TLS is for networks.
    if (tls === undefined || "path" in host.to) return end({ socket })
    if (tls.isDirect) return encrypt()
    socket.once("data", onAnswer)
    socket.write(tlsRequest)
  })
  return () => end({ error: new Error("given up") })
}

/** A connection on which the startup message can be sent. */
export const open = (transport: Transport): Effect.Effect<Net.Socket, Error> =>
  Effect.callback((resume) => {
    const giveUp = connect(
      transport,
      (outcome) => resume("socket" in outcome ? Effect.succeed(outcome.socket) : Effect.fail(outcome.error))
    )
    return Effect.sync(giveUp)
  })

/** A stream that has failed. */
export const failed = (error: Error): Duplex => new Duplex().destroy(error)

/** Connects as {@link open} does, behind a stream that can be written to at once. */
export class Late extends Duplex {
  private readonly transport: Transport
  private giveUp = () => {}
  private socket: Net.Socket | undefined

  constructor(transport: Transport) {
    super()
    this.transport = transport
  }

  override _construct(done: (error?: Error) => void): void {
    this.giveUp = connect(this.transport, (outcome) => {
      if ("error" in outcome) return done(outcome.error)
      this.socket = outcome.socket.once("close", () => this.destroy())
      done()
    })
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket?.write(chunk, done)
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.giveUp()
    this.socket?.destroy()
    done(error)
  }
}
