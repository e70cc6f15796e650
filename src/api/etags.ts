/** The entity-tags of a list, RFC 9110 section 8.8.3; a tag may contain commas. */
const TAGS = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g

/** A strong ETag, RFC 9110 section 8.8.3, of a row's version or another value that changes with the content. */
export function etag(version: number | string): string {
  return `"${version}"`
}

/**
 * Whether an If-None-Match header contains this tag. The comparison is weak: a proxy that compresses a response makes
 * its tag weak.
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
 * The versions in If-Match, one of which must match; undefined if any version does. The comparison is strong (RFC 9110,
 * section 13.1.1): weak tags, and tags of other servers, match nothing.
 */
export function expectedVersions(header: string | undefined): number[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const versions = tagsOf(header).map((tag) => /^"([1-9]\d{0,14})"$/.exec(tag)?.[1])
  return [...new Set(versions.filter((version) => version !== undefined).map(Number))]
}

/** Whether If-Match contains the version as a weak tag: a proxy makes our tags weak when it compresses a response. */
export function isWeakly(header: string | undefined, version: number): boolean {
  return header !== undefined && tagsOf(header).includes(`W/${etag(version)}`)
}

function tagsOf(header: string): string[] {
  return [...header.matchAll(TAGS)].map(([tag]) => tag)
}
