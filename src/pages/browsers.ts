/** Browsers and programs by their User-Agent header. The first match counts: Edge also contains Chrome. */
const PROGRAMS: [pattern: RegExp, name: string][] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\b(?:OPR|Opera)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bWhale\//, 'Whale'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
]
const SYSTEMS: [pattern: RegExp, name: string][] = [
  [/\b(?:iPhone|iPod)\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

/** The program and the system of a User-Agent header, by their usual names. */
export function programOf(userAgent: string | null): { program: string | undefined; system: string | undefined } {
  const nameIn = (names: typeof PROGRAMS) => names.find(([pattern]) => pattern.test(userAgent ?? ''))?.[1]
  return { program: nameIn(PROGRAMS), system: nameIn(SYSTEMS) }
}
