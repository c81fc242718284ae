// Runs in the page: how many texts there are, and those whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3).

export function faint() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([...rgb]) => {
    const [r, g, b] = rgb.slice(0, 3).map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const seen = new Map()
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  let texts = 0
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || element.closest("script, style, svg") || !element.checkVisibility()) continue
    texts += 1
    const [ink, paper] = [rgba(getComputedStyle(element).color), behind(element)]
    const key = `${ink} on ${paper}`
    if (seen.has(key)) continue
    const [high, low] = [luminance(ink), luminance(paper)].sort((a, b) => b - a)
    const ratio = (high + 0.05) / (low + 0.05)
    seen.set(key, ratio < 4.5 ? `${ratio.toFixed(2)}: ${key}: ${walker.currentNode.data.trim().slice(0, 40)}` : "")
  }
  return { texts, faint: [...seen.values()].filter(Boolean) }
}
