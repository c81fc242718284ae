// Reads the built books as a reader does, in a real browser: every page, every link, the search, both colours, three widths.
//
//   node docs/browser/test.mjs [FOLDER FOR SCREENSHOTS]
//
// docs/build.sh comes first. The browser is Chromium or Chrome: $CHROMIUM, or where it is usually found.

import { createServer } from "node:http"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { dirname, extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { chromium } from "playwright-core"
import { faint } from "./contrast.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const book = join(here, "../book")
const screenshots = process.argv[2]
const queries = JSON.parse(readFileSync(join(here, "queries.json"), "utf8"))
const languages = ["ko", "en"]

// What has been found wrong, and how much was right.
let passed = 0
const failures = []
function check(holds, sentence) {
  if (holds) passed += 1
  else failures.push(sentence)
}

const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json" }
const server = createServer((request, response) => {
  const file = join(book, decodeURIComponent(new URL(request.url, "http://x").pathname))
  if (!file.startsWith(book) || !existsSync(file) || !extname(file)) return response.writeHead(404).end()
  response.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file))
})
await new Promise(listening => server.listen(0, "127.0.0.1", listening))
const site = `http://127.0.0.1:${server.address().port}`

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
const executablePath = process.env.CHROMIUM ?? places.find(existsSync)
if (!executablePath) throw new Error("needs Chromium: apt-get install chromium, or set CHROMIUM to its path")
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
const browser = await chromium.launch({ executablePath, args: quiet })

const pagesOf = language => readdirSync(join(book, language)).filter(name => name.endsWith(".html") && name !== "toc.html").sort()

async function open(address) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: "light" })
  page.on("console", message => check(message.type() !== "error", `${address}: console: ${message.text()}`))
  page.on("pageerror", error => check(false, `${address}: ${error.message}`))
  page.on("request", request => check(/^(data|blob):/.test(request.url()) || request.url().startsWith(site), `${address}: asks ${request.url()}`))
  page.on("response", response => check(response.ok() || response.status() === 304, `${address}: ${response.status()} for ${response.url()}`))
  await page.goto(`${site}/${address}`, { waitUntil: "load" })
  return page
}

async function picture(page, name, { fullPage = true } = {}) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name.replace(".html", "")}.png`), fullPage })
}

// Links and pictures.

const anchors = new Map() // of each page, what can be jumped to
const links = []

async function readPage(page, language, name) {
  const address = `${language}/${name}`
  const seen = await page.evaluate(() => ({
    language: document.documentElement.lang,
    ids: [...document.querySelectorAll("[id]")].map(element => element.id),
    links: [...document.querySelectorAll("a[href]")].map(link => link.href),
    broken: [...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src),
    wordless: [...document.images].filter(image => !image.alt.trim()).map(image => image.src),
    title: document.querySelector("main h1")?.textContent,
  }))
  check(seen.language === language, `${address}: its lang is ${seen.language}`)
  check(seen.title, `${address}: has no first heading`)
  check(new Set(seen.ids).size === seen.ids.length, `${address}: an id is there twice`)
  for (const image of seen.broken) check(false, `${address}: broken image ${image}`)
  for (const image of seen.wordless) check(false, `${address}: image without alternative text ${image}`)
  anchors.set(`/${address}`, new Set(seen.ids))
  for (const link of seen.links) links.push([address, link])
}

function checkLinks() {
  for (const [address, link] of links) {
    if (!link.startsWith(site)) continue // the world outside is not ours to test
    const { pathname, hash } = new URL(link)
    const target = decodeURIComponent(pathname)
    const ids = anchors.get(target)
    check(ids || existsSync(join(book, target)), `${address}: broken link ${target}`)
    if (ids && hash && !address.endsWith("print.html")) {
      check(ids.has(decodeURIComponent(hash.slice(1))), `${address}: ${target} has no ${decodeURIComponent(hash)}`)
    }
  }
}

// Layout.

const sideways = page => page.evaluate(() => ({
  page: document.documentElement.scrollWidth - innerWidth,
  code: [...document.querySelectorAll("main pre > code")].filter(code => code.scrollWidth > code.clientWidth + 1).map(code => code.textContent.slice(0, 60)),
}))

const pairs = page => page.evaluate(() => [...document.querySelectorAll("main .pair")].map(pair =>
  [...pair.querySelectorAll("pre")].map(code => code.getBoundingClientRect()).map(({ left, top, width }) => ({ left, top, width }))))

async function checkLayout(page, language, name) {
  const address = `${language}/${name}`
  for (const [width, columns] of [[1280, 2], [1760, 2], [400, 1]]) {
    await page.setViewportSize({ width, height: 900 })
    const over = await sideways(page)
    check(over.page <= 0, `${address}: at ${width} px the page scrolls sideways by ${over.page} px`)
    for (const code of over.code) check(false, `${address}: at ${width} px code scrolls sideways: ${code}`)
    for (const [left, right] of await pairs(page)) {
      const beside = left.top === right.top && right.left >= left.left + left.width
      const below = left.left === right.left && right.top > left.top
      check(columns === 2 ? beside : below, `${address}: at ${width} px a pair is not in ${columns === 2 ? "two columns" : "one column"}`)
    }
    await picture(page, `${language}-${name}-${width}`)
  }
}

async function checkContrast(page, language, name) {
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.evaluate(() => { for (const answer of document.querySelectorAll("main details")) answer.open = true })
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme })
    const seen = await page.evaluate(faint)
    check(seen.texts > 0, `${language}/${name}: nothing to read`)
    for (const text of seen.faint) check(false, `${language}/${name}: ${colorScheme}: contrast of only ${text}`)
  }
  await picture(page, `${language}-${name}-dark`)
}

async function checkTwin(page, language, name) {
  const other = language === "ko" ? "en" : "ko"
  await Promise.all([page.waitForURL(`${site}/${other}/${name}`), page.click(".twin")])
  check(await page.evaluate(() => document.documentElement.lang) === other, `${language}/${name}: the language link leads elsewhere`)
}

// Search, and what else is done with the keyboard.

async function checkSearch(language) {
  const page = await open(`${language}/start.html`)
  for (const [query, expected] of Object.entries(queries[language])) {
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    check(await page.evaluate(() => document.activeElement.type === "search"), `${language}: / does not lead to the search`)
    await page.keyboard.insertText(query)
    await page.waitForFunction(query => document.getElementById("found").dataset.query === query, query)
    const results = await page.$$eval("#found a", links => links.map(link => new URL(link.href).pathname))
    const found = results.map(result => result.replace(/^\/..\//, "").replace(".html", ""))
    check(results.every(result => result.startsWith(`/${language}/`)), `${language}: ${query} finds pages in the other language: ${results}`)
    for (const name of expected) check(found.includes(name), `${language}: ${query} does not find ${name}, but: ${found.join(", ") || "nothing"}`)
    await picture(page, `${language}-search-${query.replaceAll(" ", "-")}`, { fullPage: false })
  }
  await page.keyboard.press("ArrowDown")
  await Promise.all([page.waitForURL(address => !address.pathname.endsWith("start.html") || address.hash), page.keyboard.press("Enter")])
  passed += 1
  await page.close()
}

async function checkFront() {
  for (const [locale, language] of [["ko-KR", "ko"], ["en-GB", "en"], ["fr-FR", "ko"]]) {
    const context = await browser.newContext({ locale })
    const page = await context.newPage()
    await page.goto(`${site}/index.html`)
    await page.waitForURL(`${site}/*/index.html`)
    check(page.url() === `${site}/${language}/index.html`, `a reader of ${locale} is sent to ${page.url()}`)
    await context.close()
  }
}

async function checkColour() {
  const page = await open("ko/start.html")
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  const light = await paper()
  await page.click("#colour")
  const dark = await paper()
  await page.reload()
  check(light !== dark && await paper() === dark, "the chosen colour is not kept")
  await page.close()
}

if (screenshots) mkdirSync(screenshots, { recursive: true })
const [ko, en] = languages.map(pagesOf)
check(ko.join() === en.join(), `the two books have different pages: ${ko} and ${en}`)
for (const language of languages) {
  for (const name of pagesOf(language)) {
    const page = await open(`${language}/${name}`)
    await readPage(page, language, name)
    if (name !== "print.html" && name !== "index.html") {
      await checkLayout(page, language, name)
      await checkContrast(page, language, name)
    }
    await checkTwin(page, language, name)
    await page.close()
  }
  await checkSearch(language)
}
checkLinks()
await checkFront()
await checkColour()
await browser.close()
server.close()

for (const failure of new Set(failures)) console.log(`✗ ${failure}`)
console.log(`${passed} passed, ${new Set(failures).size} failed`)
process.exitCode = failures.length > 0 ? 1 : 0
