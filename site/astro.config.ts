import starlight from "@astrojs/starlight"
import { defineConfig, passthroughImageService } from "astro/config"
import { readFileSync } from "node:fs"
import linksValidator from "starlight-links-validator"

/** `build.ts` writes it before Astro reads this file. */
const sidebar = JSON.parse(readFileSync(new URL(".generated/sidebar.json", import.meta.url), "utf8"))

export default defineConfig({
  publicDir: ".generated/public",
  // Drawings are SVG: there is nothing to make smaller.
  image: { service: passthroughImageService() },
  integrations: [
    starlight({
      title: "eventfold",
      sidebar,
      customCss: ["./src/site.css"],
      // A page may name a server that its reader has started, such as http://127.0.0.1:8080.
      plugins: [linksValidator({ errorOnLocalLinks: false })],
      credits: false,
      lastUpdated: false,
      tableOfContents: { minHeadingLevel: 2, maxHeadingLevel: 3 }
    })
  ]
})
