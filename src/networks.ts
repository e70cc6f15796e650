import { BlockList, isIP, isIPv4 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { Address6 } from 'ip-address'

/** The longest address with brackets, zone and port; longer text is none. */
const ADDRESS_MAX_LENGTH = 80
/** One key for all who have no address, so that not each of their connections has a budget of its own. */
const NO_ADDRESS = 'unknown'
/** What translators put before the IPv4 addresses of their clients (RFC 6052): all of IPv4 in one /64. */
const TRANSLATED = new Address6('64:ff9b::/96')
/**
 * What an IPv6 client may hold: a /64 at the least, a /56 or a /48 of many providers. Each is a network with so many
 * times the budget of one /64: phones and offices of many people share a /48 too.
 */
const IPV6_NETWORKS = [
  { bits: 64, share: 1 },
  { bits: 56, share: 4 },
  { bits: 48, share: 16 },
]

/** A network that a client belongs to. */
export interface Network {
  key: string
  /** How many budgets of a single customer it holds. */
  share: number
}

/**
 * The address of a client in its one canonical form: without port, brackets, quotes and zone, and as IPv4 where it is.
 * Some proxies add the port (AWS ALB, Azure Application Gateway), which differs for each connection. What is no address
 * leaves that of the connection.
 */
export function addressOfClient({ ip, socket }: Pick<FastifyRequest, 'ip' | 'socket'>): string {
  return bareAddress(ip) ?? bareAddress(socket.remoteAddress) ?? NO_ADDRESS
}

/** The networks of a canonical address, the smallest first: an IPv4 address itself, or the /64, /56 and /48 of an IPv6 one. */
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

/** Whether an address, in any spelling, is one of these addresses and CIDR ranges. */
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
    // As IPv6, an IPv4 address matches ranges of either spelling.
    return list.check(isIPv4(bare) ? `::ffff:${bare}` : bare, 'ipv6')
  }
}

const isLoopbackAddress = matcherOf(['127.0.0.0/8', '::1'])

/** Whether a HOST to listen on is reached from this machine alone. */
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

/** Whether two addresses are of one customer: the same, or in one /64 of IPv6. */
export function isSameNetwork(one: string, other: string): boolean {
  return networksOf(one)[0].key === networksOf(other)[0].key
}
