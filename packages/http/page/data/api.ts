/**
 * The routes of the API as types: what they take and what they answer, taken from its definition. None of it is in the script.
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import type * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type { Api } from "../../src/Api.ts"
import type { Value } from "./exact.ts"

/** The JSON form of a value: times are text, none is null, ages are milliseconds. */
export type Json<T> = Schema.Json extends T ? Value
  : T extends string | number | boolean | null | undefined ? T
  : T extends DateTime.DateTime ? string
  : T extends Duration.Duration ? number
  : T extends Option.Option<infer A> ? Json<A> | null
  : T extends ReadonlyArray<infer A> ? ReadonlyArray<Json<A>>
  : T extends object ? { readonly [Key in keyof T]: Json<T[Key]> }
  : T

type Groups = typeof Api extends HttpApi.HttpApi<infer _, infer All> ? All : never

type Endpoints = HttpApiGroup.Endpoints<Groups>

type Typed<Schemas> = Schemas extends { readonly Type: infer A } ? A : never

/** The endpoint with a method and a path. */
type Endpoint<Method extends string, Path extends string> = Extract<
  Endpoints,
  { readonly method: Method; readonly path: Path }
>

type PathOf<Method extends string> = Extract<Endpoints, { readonly method: Method }>["path"]

/** The paths that can be asked with GET. */
export type GetPath = PathOf<"GET">

/** What is done with POST. */
export type PostPath = PathOf<"POST">

/** What is done with DELETE. */
export type DeletePath = PathOf<"DELETE">

/** A body with headers is the body. */
type Body<T> = T extends { readonly body: infer B; readonly headers: unknown } ? B : T

/** What a path answers. An answer without a body, such as 304, is none that the page asks for. */
export type Answer<Method extends "GET" | "POST" | "DELETE", Path extends string> = Json<
  Exclude<Body<Typed<Endpoint<Method, Path>["~Success"]>>, void>
>

/** What stands in the path. */
export type Params<Path extends string> = Path extends `${infer _}:${infer Name}/${infer Rest}`
  ? { readonly [Key in Name]: string | number } & Params<Rest>
  : Path extends `${infer _}:${infer Name}` ? { readonly [Key in Name]: string | number }
  : unknown

/** What may stand in the query. */
export type Query<Method extends "GET" | "POST" | "DELETE", Path extends string> = {
  readonly [Key in keyof Typed<Endpoint<Method, Path>["~Query"]>]?:
    | Json<Typed<Endpoint<Method, Path>["~Query"]>[Key]>
    | undefined
}

/** The body that a path takes. */
export type Payload<Path extends PostPath> = Json<Typed<Endpoint<"POST", Path>["~Payload"]>>

/** A message as the API answers it. */
export type RecordedMessage = Answer<"GET", "/messages/:globalPosition">
