/** What no row has: versions begin at 1. */
const NO_VERSION = 0

/** A strong ETag, RFC 9110 section 8.8.3, of a row's version or of anything else that changes with the content. */
export function etag(version: number | string): string {
  return `"${version}"`
}

/** Whether an If-None-Match header names this tag: the client has the content already. */
export function isFresh(header: string | undefined, tag: string): boolean {
  return header !== undefined && (header.trim() === '*' || tagsOf(header).includes(tag))
}

/**
 * The version that If-Match asks for; undefined when any will do. Each row has one version, so that a list of tags and a
 * tag that is none of ours match nothing.
 */
export function expectedVersion(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const [version, ...others] = header.split(',').map((tag) => /^"([1-9]\d{0,14})"$/.exec(tag.trim())?.[1])
  return version === undefined || others.length > 0 ? NO_VERSION : Number(version)
}

function tagsOf(header: string): string[] {
  // If-None-Match compares weakly: a proxy that compressed the answer may have marked its tag.
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
}
