import { BlockList, isIP, isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { Address6 } from 'ip-address'

/** The longest address with brackets, zone and port; longer text is not an address. */
const ADDRESS_MAX_LENGTH = 80
/** One key for all clients without an address, so that they share one budget instead of one per connection. */
const NO_ADDRESS = 'unknown'
/** NAT64 (RFC 6052) puts all IPv4 addresses into one /64. */
const TRANSLATED = new Address6('64:ff9b::/96')
/**
 * The networks that an IPv6 client may control: at least a /64, with many providers a /56 or a /48. `share` is the
 * multiple of a /64's budget: many phones and offices can share a /48.
 */
const IPV6_NETWORKS = [
  { bits: 64, share: 1 },
  { bits: 56, share: 4 },
  { bits: 48, share: 16 },
]

/** A network that a client belongs to. */
export interface Network {
  key: string
  /** The multiple of a single customer's budget. */
  share: number
}

/**
 * The canonical address of a client: without port, brackets, quotes and zone, and as IPv4 if possible. Some proxies add
 * the port (AWS ALB, Azure Application Gateway), which differs for each connection. If the header holds no address,
 * that of the connection.
 */
export function addressOfClient({ ip, socket }: Pick<FastifyRequest, 'ip' | 'socket'>): string {
  return bareAddress(ip) ?? bareAddress(socket.remoteAddress) ?? NO_ADDRESS
}

/**
 * The networks of a canonical address, the smallest first: an IPv4 address alone, or the /64, /56 and /48 of an IPv6
 * address.
 */
export function networksOf(address: string): [Network, ...Network[]] {
  if (isIP(address) !== 6 || new Address6(address).isInSubnet(TRANSLATED))
    return [{ key: `network:${address}`, share: 1 }]
  const [smallest, ...larger] = IPV6_NETWORKS.map(({ bits, share }) => {
    const first = new Address6(`${address}/${bits}`).startAddress().correctForm()
    return { key: `network:${first}/${bits}`, share }
  })
  return [smallest as Network, ...larger]
}

/** The smallest network of a canonical address. */
export function networkKey(address: string): string {
  return networksOf(address)[0].key
}

/** Returns a function that checks whether an address, in any spelling, is in these addresses and CIDR ranges. */
export function matcherOf(ranges: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    list.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family)
  }
  return (address) => {
    const bare = bareAddress(address)
    if (bare === undefined) return false
    // As IPv6, an IPv4 address matches ranges in either notation.
    return list.check(isIPv4(bare) ? `::ffff:${bare}` : bare, 'ipv6')
  }
}

const isLoopbackAddress = matcherOf(['127.0.0.0/8', '::1'])

/** Whether a HOST can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || isLoopbackAddress(host)
}

function bareAddress(text: string | undefined): string | undefined {
  if (text === undefined || isIPv4(text)) return text
  if (text.length > ADDRESS_MAX_LENGTH) return undefined
  const unquoted = text.trim().replace(/^"(.*)"$/, '$1')
  const candidates = [/^\[([^\]]*)\](?::.*)?$/.exec(unquoted)?.[1] ?? unquoted, unquoted.replace(/:\d*$/, '')]
  for (const candidate of candidates) {
    const address = candidate.replace(/%.*$/, '')
    const version = isIP(address)
    if (version === 4) return address
    if (version === 6) return canonical(new Address6(address))
  }
  return undefined
}

function canonical(address: Address6): string {
  return address.isMapped4() ? address.to4().correctForm() : address.correctForm()
}

/** Whether two addresses belong to one customer: the same address, or the same /64. */
export function isSameNetwork(one: string, other: string): boolean {
  return networksOf(one)[0].key === networksOf(other)[0].key
}
