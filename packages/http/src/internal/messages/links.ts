/** A link to another page, by RFC 8288: the query of the request with these changes. A client resolves it against its address. */
export const linkTo = (url: string, rel: string, changes: Readonly<Record<string, string>>): string => {
  const query = new URLSearchParams(url.split("?")[1] ?? "")
  for (const [key, value] of Object.entries(changes)) query.set(key, value)
  return `<?${query.toString()}>; rel="${rel}"`
}
