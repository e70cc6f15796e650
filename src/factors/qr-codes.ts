/** The quiet zone around the code, as required by ISO 18004. */
const BORDER = 4

/** A QR code as SVG: one path without styles, which a Content-Security-Policy could block. */
export async function qrCode(text: string): Promise<string> {
  const { encode } = await import('uqr')
  const { size, data } = encode(text, { ecc: 'M', border: 0 })
  const side = size + 2 * BORDER
  const path = data.map((row, y) =>
    runsOf(row)
      .map(([x, width]) => runPath(x + BORDER, y + BORDER, width))
      .join(''),
  )
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges">` +
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${path.join('')}"/></svg>`
  )
}

function runPath(x: number, y: number, width: number): string {
  return `M${x} ${y}h${width}v1h-${width}z`
}

/** The runs of black modules in a row: start and length. */
function runsOf(row: boolean[]): [x: number, width: number][] {
  const text = row.map((isBlack) => (isBlack ? '#' : ' ')).join('')
  return [...text.matchAll(/#+/g)].map((run) => [run.index, run[0].length])
}
