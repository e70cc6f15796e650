/** Red, green and blue, each from 0 to 255. */
type Rgb = readonly [number, number, number]

/** Mixes a share (0 to 1) of the second colour into the first. Colours are `#rrggbb`. */
export function mix(color: string, other: string, share: number): string {
  const [one, two] = [rgbOf(color), rgbOf(other)]
  const mixed = one.map((value, index) => Math.round(value * (1 - share) + (two[index] ?? 0) * share))
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

/** The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio"). */
export function contrast(color: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminanceOf(color), luminanceOf(other)].sort((one, two) => one - two)
  return (lighter + 0.05) / (darker + 0.05)
}

function luminanceOf(color: string): number {
  const [red, green, blue] = rgbOf(color).map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }) as unknown as Rgb
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function rgbOf(color: string): Rgb {
  const number = Number.parseInt(color.slice(1), 16)
  return [number >> 16, (number >> 8) & 255, number & 255]
}
