import { isIPv6 } from 'node:net'
import { Address6 } from 'ip-address'

/** What one customer of a network provider is given: a whole IPv4 address, or a /64 of IPv6. */
export function networkKey(ip: string): string {
  // Some proxies add the port, which is another one for each connection.
  if (!isIPv6(ip)) return `network:${ip.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')}`
  const address = new Address6(ip)
  if (address.is4() || address.isMapped4()) return `network:${address.to4().correctForm()}`
  return `network:${new Address6(`${ip}/64`).startAddress().correctForm()}/64`
}
