/**
 * Serves the page. It has the addresses of the API: a browser that navigates asks for HTML and gets the page, a program asks for
 * JSON and gets the answer.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type Answer, secure as ofAnswers } from "../problems/answers.ts"
import * as Built from "./built.ts"

/** The options of the page. */
export interface Options {
  readonly write?: boolean | undefined
}

/** Where its files are. */
const filesAt = "/page/"

/** The views, by the first segment of their paths. */
const views: ReadonlySet<string> = new Set([
  "",
  "attributes",
  "consumers",
  "correlations",
  "entities",
  "messages",
  "processes",
  "read-models",
  "schemas",
  "store",
  "streams"
])

/** Its answers are for whatever asks, also when there is nothing. */
const ofApi = /^\/(?:docs|messagestore)(?:\/|$)/

/** It loads from this server alone, and has no way to make markup of text. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const secure = {
  ...ofAnswers,
  "cross-origin-opener-policy": "same-origin",
  "content-security-policy": policy
}

const pathOf = (url: string): string => url.replace(/[?#].*$/, "")

/** Whether a client that says so prefers HTML: browsers name it when they navigate, and programs don't. */
const takesHtml = (accept: string | undefined): boolean =>
  accept?.split(",").some((range) => /^\s*text\/html\s*(?:;(?!.*\bq=0(?:\.0*)?\s*$).*)?$/.test(range)) ?? false

/** The way back to the folder of the page, wherever a proxy or an application has put it: no address in the document is absolute. */
const baseOf = (path: string): string => "../".repeat(path.split("/").length - 2) || "./"

const document = (path: string, { entry }: Built.Built, { write = false }: Options): string =>
  `<!doctype html>
<html lang="en" data-write="${write}">
<head>
<meta charset="utf-8">
<base href="${baseOf(path)}">
<title>eventfold</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="page/${entry.icon}">
<link rel="stylesheet" href="page/${entry.style}">
<script type="module" src="page/${entry.script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript. The answers are the same for programs: ask for application/json.</noscript>
</body>
</html>
`

const html = (text: string, status: number): Answer =>
  HttpServerResponse.text(text, {
    status,
    contentType: "text/html; charset=utf-8",
    headers: { ...secure, vary: "accept" }
  })

const sentence = (text: string, status: number): Answer =>
  html(`<!doctype html>\n<html lang="en"><title>eventfold</title><p>${text}</p></html>\n`, status)

const notThere = sentence("The page is not there: the log of the server says why.", 503)

const noFile = sentence("The page has no such file. Load it again.", 404)

const fileOf = (file: Built.File, accepted: string): Answer => {
  const { bytes, encoding } = Built.encoded(file, accepted)
  return HttpServerResponse.uint8Array(bytes, {
    contentType: file.type,
    headers: {
      ...secure,
      "cache-control": "public, max-age=31536000, immutable",
      vary: "accept-encoding",
      ...(encoding === undefined ? {} : { "content-encoding": encoding })
    }
  })
}

/** The page, loaded when it is asked for first; again when that failed. The first client may go meanwhile: others wait for it too. */
const loading = Effect.map(
  Effect.cachedInvalidateWithTTL(Effect.uninterruptible(Built.load), Duration.infinity),
  ([load, forget]) =>
    Effect.tapError(load, (error) => Effect.andThen(forget, Effect.logError("page is not there", error)))
)

/** Answers the requests of the page, and has the others answered. */
export const serving = (options: Options) =>
  Effect.map(
    loading,
    (load) => {
      const loaded = (use: (built: Built.Built) => Answer) =>
        Effect.match(load, { onFailure: () => notThere, onSuccess: use })
      return <E, R>(
        answer: Effect.Effect<Answer, E, R>
      ): Effect.Effect<Answer, E, R | HttpServerRequest.HttpServerRequest> =>
        Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method, url }) => {
          if (method !== "GET" && method !== "HEAD") return answer
          const path = pathOf(url)
          if (path.startsWith(filesAt)) {
            return loaded(({ files }) => {
              const name = path.slice(filesAt.length)
              const file = Object.hasOwn(files, name) ? files[name] : undefined
              return file === undefined ? noFile : fileOf(file, headers["accept-encoding"] ?? "")
            })
          }
          if (!takesHtml(headers["accept"]) || ofApi.test(path)) return answer
          const page = (status: number) => loaded((built) => html(document(path, built, options), status))
          // What the API alone has is shown as it is, so that one can look at it.
          return views.has(path.split("/")[1] ?? "")
            ? page(200)
            : Effect.flatMap(answer, (found) => found.status === 404 ? page(404) : Effect.succeed(found))
        })
    }
  )
