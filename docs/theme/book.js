// What the book adds to mdBook's own script. Without it the pages can still be read.

const korean = document.documentElement.lang === "ko"
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

// A Python block directly followed by its Rust block: the comment above each names its source.
function source(block) {
  let node = block.previousSibling
  while (node?.nodeType === Node.TEXT_NODE && !node.data.trim()) node = node.previousSibling
  return node?.nodeType === Node.COMMENT_NODE ? node.data : ""
}

for (const python of document.querySelectorAll("main pre")) {
  const rust = python.nextElementSibling
  if (!rust?.matches("pre") || !/\.py\b/.test(source(python)) || !/\.rs\b/.test(source(rust))) continue
  const pair = make("div", { className: "pair" })
  python.before(pair)
  pair.append(python, rust)
}

// `1 │ $ cargo run`: the number of the terminal, and what is typed or printed in it.
for (const code of document.querySelectorAll("code.language-console")) {
  code.parentElement.classList.add("terminal")
  const lines = code.textContent.trimEnd().split("\n").map(line => {
    const [, number, typed] = line.match(/^(?:(\d) │ )?(\$ |\^[CD])?/)
    const kind = ["", "", "second", "third"][number] ?? ""
    return make("span", { className: `line ${kind} ${typed ? "typed" : ""}`, textContent: line + "\n" })
  })
  code.replaceChildren(...lines)
}

// The same page in the other language, and the search.
const buttons = document.querySelector(".right-buttons")
const page = location.pathname.split("/").pop() || "index.html"
const [twin, name] = korean ? ["en", "English"] : ["ko", "한국어"]
const open = make("button", { type: "button", id: "open-search", textContent: korean ? "찾기" : "Search", onclick: search })
buttons.prepend(make("a", { href: `../${twin}/${page}`, hreflang: twin, lang: twin, textContent: name }), open)
const dialog = document.body.appendChild(make("dialog", { id: "search" }))
dialog.addEventListener("click", event => { if (event.target === dialog || event.target.closest("a")) dialog.close() })

async function search() {
  if (dialog.open) return
  dialog.showModal()
  if (dialog.hasChildNodes()) return dialog.querySelector("input")?.focus()
  const folder = new URL("../pagefind/", location.href).href
  try {
    await import(folder + "pagefind-ui.js")
    dialog.append(make("link", { rel: "stylesheet", href: folder + "pagefind-ui.css" }))
    new PagefindUI({ element: "#search", bundlePath: folder, showImages: false, showSubResults: true, autofocus: true })
  } catch {
    dialog.append(korean ? "찾기는 docs/build.sh serve로 연 책에서 됩니다." : "The search works in a book opened with docs/build.sh serve.")
  }
}

addEventListener("keydown", event => {
  if (event.key !== "/" || event.target.matches("input, textarea")) return
  event.preventDefault()
  search()
})
