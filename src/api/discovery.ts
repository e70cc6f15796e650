/** Half of how long a new key is published before it signs: who caches this knows every key in time. */
const CACHED_FOR_S = 300

/** Pages of every origin may read what is public: a client in a browser begins with it. */
export const FOR_EVERYBODY = {
  'cache-control': `public, max-age=${CACHED_FOR_S}`,
  'access-control-allow-origin': '*',
}
