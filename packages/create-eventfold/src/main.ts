#!/usr/bin/env node
/**
 * `npm create eventfold`: copies the template into a new folder. It has no dependency, so that nothing is downloaded only to copy files.
 */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { basename, join, relative, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const template = fileURLToPath(new URL("../template", import.meta.url))

const usage = `usage: npm create eventfold@latest [FOLDER]

Makes a small project with eventfold in FOLDER, which defaults to eventfold-app and must be empty or missing.`

/** Ends with a message: 2 for a wrong command line, 1 for what can't be done. */
const refuse = (message: string, code: 1 | 2): never => {
  process.stderr.write(`${message}\n`)
  return process.exit(code)
}

/** The package manager that runs this, by what it calls itself. */
const manager = (): string => /^(npm|pnpm|yarn|bun)\b/.exec(process.env["npm_config_user_agent"] ?? "")?.[0] ?? "npm"

/** A name that npm takes, from the name of a folder. */
const packageName = (folder: string): string =>
  basename(folder).toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-").replaceAll(/^-+|-+$/g, "") || "eventfold-app"

/** This package has the version of the packages that the project uses: they are released together. */
const ownVersion = (): string => {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(fileURLToPath(new URL("../package.json", import.meta.url)), "utf8")
  )
  return manifest.version
}

const copy = (folder: string): void => {
  cpSync(template, folder, { recursive: true })
  // npm leaves a .gitignore out of what it packs.
  renameSync(join(folder, "gitignore"), join(folder, ".gitignore"))
  const manifest = join(folder, "package.json")
  writeFileSync(
    manifest,
    readFileSync(manifest, "utf8").replace("\"eventfold-template\"", JSON.stringify(packageName(folder)))
      .replaceAll("\"EVENTFOLD\"", JSON.stringify(`^${ownVersion()}`))
  )
}

const [given = "eventfold-app", ...more] = process.argv.slice(2)
if (given === "--help" || given === "-h") {
  process.stdout.write(`${usage}\n`)
} else if (given === "--version") {
  process.stdout.write(`${ownVersion()}\n`)
} else {
  if (given.startsWith("-")) refuse(`there is no option ${given}\n\n${usage}`, 2)
  if (more.length > 0) refuse(`one folder is made at a time, and these are ${more.length + 1}\n\n${usage}`, 2)
  const folder = resolve(given)
  if (existsSync(folder)) {
    const first = readdirSync(folder).find((name) => name !== ".git")
    if (first !== undefined) {
      refuse(`the folder ${given} is not empty, it has ${first}: name a new one, or an empty one`, 1)
    }
  }
  copy(folder)
  const there = relative(process.cwd(), folder)
  process.stdout.write([
    `${given} is made. Next:`,
    "",
    ...(there === "" ? [] : [`  cd ${there}`]),
    `  ${manager()} install`,
    `  ${manager()} test`,
    `  ${manager()} start`,
    ""
  ].join("\n"))
}
