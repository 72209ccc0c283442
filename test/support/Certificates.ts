/**
 * Certificates for tests of TLS, made here: Node signs, but makes no certificates.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

export interface Certificate {
  /** The certificate and its key, as PEM. */
  readonly certificate: string
  readonly key: string
}

export interface Authority extends Certificate {
  /** A certificate for a host, or for a user. */
  readonly issue: (commonName: string) => Certificate
}

/** An authority of one's own. */
export const authority = (commonName: string): Authority => {
  const own = keyPair()
  return {
    ...make({ issuer: commonName, issuerKey: own.privateKey, subject: commonName, keys: own, isAuthority: true }),
    issue: (subject) =>
      make({ issuer: commonName, issuerKey: own.privateKey, subject, keys: keyPair(), isAuthority: false })
  }
}

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const keyPair = (): KeyPair => generateKeyPairSync("ec", { namedCurve: "P-256" })

/** A value in DER: its tag, its length, and its content. */
const der = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(contents)
  const length = content.length < 128
    ? [content.length]
    : content.length < 256
    ? [0x81, content.length]
    : [0x82, content.length >> 8, content.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

const sequence = (...contents: ReadonlyArray<Uint8Array>) => der(0x30, ...contents)
const identifier = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const text = (value: string) => der(0x0c, Buffer.from(value))
const time = (value: string) => der(0x18, Buffer.from(value))
const isTrue = der(0x01, Buffer.from([255]))

const ecdsaWithSha256 = sequence(identifier("2a8648ce3d040302"))
const nameOf = (commonName: string) => sequence(der(0x31, sequence(identifier("550403"), text(commonName))))

const make = (of: {
  readonly issuer: string
  readonly issuerKey: KeyObject
  readonly subject: string
  readonly keys: KeyPair
  readonly isAuthority: boolean
}): Certificate => {
  const extension = (hex: string, content: Uint8Array) => sequence(identifier(hex), der(0x04, content))
  const extensions = of.isAuthority
    ? sequence(identifier("551d13"), isTrue, der(0x04, sequence(isTrue)))
    // The DNS name.
    : extension("551d11", sequence(der(0x82, Buffer.from(of.subject))))
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(of.issuer),
    sequence(time("20200101000000Z"), time("21200101000000Z")),
    nameOf(of.subject),
    of.keys.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extensions))
  )
  const signature = der(0x03, Buffer.from([0]), sign("sha256", body, of.issuerKey))
  const base64 = sequence(body, ecdsaWithSha256, signature).toString("base64")
  // Without a line for the rest where there is none: OpenSSL takes no empty line.
  const lines = base64.match(/.{1,64}/g) ?? []
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: of.keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  }
}
