/** An entity-tag of a list, RFC 9110 section 8.8.3; a tag may hold commas. */
const TAGS = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g

/** A strong ETag, RFC 9110 section 8.8.3, of a row's version or of anything else that changes with the content. */
export function etag(version: number | string): string {
  return `"${version}"`
}

/**
 * Whether an If-None-Match header names this tag: the client has the content already. The comparison is weak: a proxy
 * that compresses an answer marks its tag so.
 */
export function isFresh(header: string | undefined, tag: string): boolean {
  return (
    header !== undefined &&
    (header.trim() === '*' ||
      tagsOf(header)
        .map((given) => given.replace(/^W\//, ''))
        .includes(tag))
  )
}

/**
 * The versions that If-Match asks for, any of which will do; undefined where every one will. The comparison is strong
 * (RFC 9110, section 13.1.1): weak tags, and tags that are none of ours, match nothing.
 */
export function expectedVersions(header: string | undefined): number[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const versions = tagsOf(header).map((tag) => /^"([1-9]\d{0,14})"$/.exec(tag)?.[1])
  return [...new Set(versions.filter((version) => version !== undefined).map(Number))]
}

/** Whether If-Match names the version, but as a weak tag, which a proxy makes of ours when it compresses the answer. */
export function isWeakly(header: string | undefined, version: number): boolean {
  return header !== undefined && tagsOf(header).includes(`W/${etag(version)}`)
}

function tagsOf(header: string): string[] {
  return [...header.matchAll(TAGS)].map(([tag]) => tag)
}
