// Reads the built book as a reader does, in Chromium: node docs/browser/test.mjs [FOLDER FOR SCREENSHOTS]
// docs/check.sh installs what this needs, and builds the book.

import { existsSync, readFileSync, readdirSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { extname, join } from "node:path"
import { fileURLToPath } from "node:url"

const { chromium } = createRequire(join(process.env.BOOK_TOOLS, "browser/x"))("playwright-core")
const book = fileURLToPath(new URL("../book", import.meta.url))
const [, , screenshots] = process.argv
const failures = new Set()
const check = (holds, sentence) => { if (!holds) failures.add(sentence) }

const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" }
const server = createServer((request, response) => {
  const file = join(book, decodeURIComponent(new URL(request.url, "http://x").pathname))
  if (!existsSync(file) || !extname(file)) return response.writeHead(404).end()
  response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file))
})
await new Promise(listening => server.listen(0, "127.0.0.1", listening))
const site = `http://127.0.0.1:${server.address().port}`
const [executablePath, args] = [process.env.CHROMIUM ?? "/usr/bin/chromium", ["--no-sandbox", "--disable-gpu"]]
const browser = await chromium.launch({ executablePath, args })

async function open(address, width, colorScheme = "light") {
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme })
  page.on("console", message => check(message.type() !== "error", `${address}: ${message.text()}`))
  page.on("pageerror", error => check(false, `${address}: ${error.message}`))
  page.on("request", request => check(request.url().startsWith(site) || request.url().startsWith("data:"), `${address} asks ${request.url()}`))
  page.on("response", response => check(response.ok(), `${address}: ${response.status()} for ${response.url()}`))
  await page.goto(`${site}/${address}`)
  return page
}

// In the page: the colours of text whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3).
function faint() {
  const rgba = colour => colour.match(/[\d.]+/g).map(Number)
  const luminance = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => {
    const value = rgb[at] / 255
    return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  }, 0)
  const paper = element => {
    const colour = element ? rgba(getComputedStyle(element).backgroundColor) : [255, 255, 255]
    return colour.length === 3 ? colour : paper(element.parentElement) // a fourth number: it is translucent
  }
  const texts = [...document.querySelectorAll("body *")].filter(element => element.checkVisibility() && !element.closest("svg")
    && [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()))
  const faint = texts.map(element => {
    const [ink, behind] = [rgba(getComputedStyle(element).color), paper(element)]
    const [high, low] = [luminance(ink), luminance(behind)].sort((a, b) => b - a)
    const ratio = (high + 0.05) / (low + 0.05)
    return ratio < 4.5 ? `${ratio.toFixed(2)}: ${ink} on ${behind}` : ""
  })
  return [...new Set(faint.filter(Boolean))]
}

for (const [language, word] of [["ko", "소켓"], ["en", "socket"]]) {
  const names = readdirSync(join(book, language)).filter(name => name.endsWith(".html") && !/^(toc|print)/.test(name))
  let paired = 0
  for (const name of names) {
    const address = `${language}/${name}`
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(address, 1280, colorScheme)
      const pairs = await page.$$eval(".pair", pairs => pairs.map(pair => [...pair.children].map(block => block.getBoundingClientRect().top)))
      for (const [left, right] of pairs) check(left === right, `${address}: a pair is not side by side`)
      paired += pairs.length
      for (const colours of await page.evaluate(faint)) check(false, `${address}: faint when ${colorScheme}: ${colours}`)
      if (screenshots) await page.screenshot({ path: join(screenshots, `${language}-${name}-${colorScheme}.png`), fullPage: true })
      await page.close()
    }
    const page = await open(address, 360)
    for (const width of [360, 853]) { // a phone, and a window of 1280 px at 150 %
      await page.setViewportSize({ width, height: 640 })
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      check(over <= 0, `${address}: ${over} px wider than a screen of ${width} px`)
      if (screenshots) await page.screenshot({ path: join(screenshots, `${language}-${name}-${width}.png`) })
    }
    await page.close()
  }
  check(paired > 0, `${language} sets no Python beside its Rust`)
  const page = await open(`${language}/index.html`, 1280)
  await page.click("#open-search")
  await page.fill("#search input", word)
  const found = page.locator("#search a").first()
  await found.waitFor({ timeout: 10_000 }).catch(() => check(false, `${language}: the search does not find ${word}`))
  await page.close()
}

await browser.close()
server.close()
for (const failure of failures) console.log(`✗ ${failure}`)
console.log(failures.size > 0 ? `${failures.size} failed` : "the book is right in Chromium")
process.exitCode = failures.size > 0 ? 1 : 0
