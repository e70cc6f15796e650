import { Problem } from './problems.js'

/** A strong ETag, RFC 9110 section 8.8.3, of a row's version or of anything else that changes with the content. */
export function etag(version: number | string): string {
  return `"${version}"`
}

/** Whether an If-None-Match header names this tag: the client has the content already. */
export function isFresh(header: string | undefined, tag: string): boolean {
  return header !== undefined && (header.trim() === '*' || tagsOf(header).includes(tag))
}

/**
 * The version that If-Match asks for; undefined when any will do. Each row has one version, so of several tags none
 * but the current one can match, and a client that sends more than one is asked to read again.
 * @throws Problem precondition_failed when no version could match
 */
export function expectedVersion(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const [version, ...others] = header.split(',').map((tag) => /^"([1-9]\d{0,14})"$/.exec(tag.trim())?.[1])
  if (version === undefined || others.length > 0) throw new Problem('precondition_failed')
  return Number(version)
}

function tagsOf(header: string): string[] {
  // If-None-Match compares weakly: a proxy that compressed the answer may have marked its tag.
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
}
