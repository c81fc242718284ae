// What the pages do beyond being read: colour, contents, code, and search. Without it they can still be read.

const main = document.getElementById("content")
const korean = document.documentElement.lang === "ko"
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

// Light or dark: as the system says, until the reader chooses.
document.getElementById("colour").addEventListener("click", () => {
  const { style } = document.documentElement
  const dark = style.colorScheme ? style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
  style.colorScheme = dark ? "light" : "dark"
  try { localStorage.setItem("colour", style.colorScheme) } catch {} // then for this page only
})

// The contents: where we are, and what this page is made of. Open beside the text where there is room.
const contents = document.getElementById("contents")
const page = location.pathname.split("/").pop().replace(/^(index\.html)?$/, "start.html")
const current = [...contents.querySelectorAll("li a")].find(link => link.getAttribute("href") === page)
current?.setAttribute("aria-current", "page")
const sections = [...main.querySelectorAll("h2[id]")].map(heading =>
  make("li", {}, make("a", { href: "#" + heading.id, textContent: heading.textContent })))
if (current && sections.length > 0) current.closest("li").append(make("ol", { className: "here" }, ...sections))
const wide = matchMedia("(min-width: 1600px)")
const unfold = () => { contents.open = wide.matches }
unfold()
wide.addEventListener("change", unfold)
document.addEventListener("click", event => {
  if (!wide.matches && (!contents.contains(event.target) || event.target.closest("#contents a"))) contents.open = false
})

// The twin page has the same fragments where a heading has an id of its own: stay where we are.
const twin = document.querySelector("header .twin")
twin.addEventListener("click", () => { if (/^#[\x21-\x7e]+$/.test(location.hash)) twin.hash = location.hash })

// Code.
const names = { python: "Python", rust: "Rust", toml: "TOML", diff: "diff", c: "C", go: "Go" }

function dedent(text) {
  const lines = text.replace(/\n+$/, "").split("\n")
  const indents = lines.filter(line => line.trim()).map(line => line.match(/^ */)[0].length)
  return lines.map(line => line.slice(Math.min(...indents))).join("\n")
}

// One element a line, so that the rest of a long one can stand further in. A span over several lines is closed and reopened.
function rows(html) {
  let open = []
  return html.split("\n").map(line => {
    const before = open.join("")
    for (const [tag] of line.matchAll(/<span[^>]*>|<\/span>/g)) tag === "</span>" ? open.pop() : open.push(tag)
    const indent = line.replace(/<[^>]*>/g, "").match(/^ */)[0].length
    return `<span class="row" style="--in:${indent + 2}ch">${before}${line}${"</span>".repeat(open.length)}\n</span>`
  }).join("")
}

// `1 │ $ cargo run`: the number of the terminal, and what is typed or printed in it.
function terminal(text) {
  return text.split("\n").map(line => {
    const [, number, rest] = line.match(/^(\d) │ ?(.*)$/) || [, "", line]
    const row = make("span", { className: "row " + (["", "", "second", "third"][number] || "") })
    if (number) row.dataset.terminal = number
    row.append(/^(\$ |\^C|\^D|> )/.test(rest) ? make("span", { className: "typed", textContent: rest }) : rest, "\n")
    return row
  })
}

for (const code of main.querySelectorAll("pre > code")) {
  const language = code.className.match(/language-([\w-]+)/)?.[1]
  const text = dedent(code.textContent)
  if (language === "console") {
    code.parentElement.classList.add("terminal")
    code.replaceChildren(...terminal(text))
  } else if (names[language]) {
    code.innerHTML = rows(hljs.highlight(language, text, true).value)
    for (const comment of code.querySelectorAll(".hljs-comment")) comment.classList.toggle("wrong", comment.textContent.includes("WRONG"))
    code.before(make("span", { className: "language", textContent: names[language] }))
    code.parentElement.classList.toggle("short", text.split("\n").length <= 25)
  } else {
    const copy = make("button", { type: "button", className: "copy", textContent: korean ? "복사" : "copy" })
    copy.addEventListener("click", () => navigator.clipboard.writeText(text))
    code.textContent = text
    code.after(copy)
  }
}
addEventListener("beforeprint", () => { for (const answer of main.querySelectorAll("details")) answer.open = true })

// Search: Pagefind's index, one for each language, taken by the language of the page.
const form = document.getElementById("search")
const input = form.querySelector("input")
const found = document.getElementById("found")
const SHOWN = 8
let pagefind

async function search(words) {
  pagefind ??= await import(new URL("../pagefind/pagefind.js", import.meta.url))
  // Korean words carry particles: where nothing is found, a syllable less may be what stands in the text.
  for (let query = words; query; query = shorter(query)) {
    const { results } = await pagefind.search(query)
    if (results.length > 0) return Promise.all(results.slice(0, SHOWN).map(result => result.data()))
  }
  return []
}

function shorter(query) {
  const words = query.split(" ").map(word => /[가-힣]{3,}$/.test(word) ? word.slice(0, -1) : word).join(" ")
  return words === query ? "" : words
}

function describe({ url, meta, excerpt, sub_results: parts }) {
  const best = parts.find(part => part.anchor && part.title !== meta.title)
  const link = make("a", { href: best?.url ?? url }, make("b", { textContent: best ? `${meta.title} › ${best.title}` : meta.title }))
  link.append(make("span", { innerHTML: best?.excerpt ?? excerpt }))
  return link
}

input.addEventListener("input", async () => {
  const query = input.value.trim()
  found.hidden = !query
  if (!query) return
  try {
    const results = await search(query)
    if (query !== input.value.trim()) return // something else has been typed since
    found.replaceChildren(...(results.length > 0 ? results.map(describe) : [make("p", { textContent: found.dataset.none })]))
  } catch {
    found.replaceChildren(make("p", { textContent: found.dataset.off }))
  }
  found.dataset.query = query
})

form.addEventListener("submit", event => {
  event.preventDefault()
  found.querySelector("a")?.click()
})

addEventListener("keydown", event => {
  const typing = event.target.matches?.("input, textarea")
  if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key === "/" || event.key === "s")) {
    event.preventDefault()
    input.select()
  } else if (event.key === "Escape") {
    found.hidden = true
    if (!wide.matches) contents.open = false
    if (typing) input.blur()
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && form.contains(event.target) && !found.hidden) {
    event.preventDefault()
    const stops = [input, ...found.querySelectorAll("a")]
    const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)
    stops[Math.max(0, Math.min(next, stops.length - 1))].focus()
  }
})
document.addEventListener("click", event => { if (!form.contains(event.target)) found.hidden = true })
