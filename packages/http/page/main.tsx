/**
 * The page: what is happening in the store right now, and all that it keeps.
 */
import "./styles/frame.css"
import "./styles/parts.css"
import "./styles/views.css"
import "./styles/application.css"
import { render } from "preact"
import { App } from "./frame/App.tsx"

const place = document.getElementById("app")
if (place !== null) render(<App />, place)
