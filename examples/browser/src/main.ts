import process from "node:process"
import { serve } from "./Served.ts"

const { url } = await serve(Number(process.env["PORT"] ?? 8080))
process.stdout.write(`open ${url}\n`)
