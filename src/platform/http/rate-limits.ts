import { isIPv6 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Clock, MINUTE } from '../clock.ts'
import type { Counters } from '../ephemeral/counters.ts'
import { AppError } from './errors.ts'
import type { LimitCategory } from './route-config.ts'

/** Requests a minute: section 9.1 of the learning contract. Refreshing is counted per session, the sixty per address. */
export const LIMITS = { authentication: 5, refresh: 30, messages: 30, general: 100, dashboard: 60 } as const satisfies Partial<Record<LimitCategory, number>>
const AUTHENTICATION_PER_ADDRESS = 60
const WINDOW_MS = MINUTE

export interface LimitState {
  readonly limit: number
  readonly remaining: number
  /** Milliseconds since the epoch. */
  readonly resetAt: number
  readonly exceeded: boolean
}

export interface RateLimits {
  /** Counts one request of `category` by `key`. */
  take(category: keyof typeof LIMITS, key: string): Promise<LimitState>
  /** Counts one authentication request of an address, whatever the e-mail. */
  takeAddress(ip: string): Promise<LimitState>
}

/** `multiplier` scales every limit, for load tests. */
export function rateLimits(counters: Counters, multiplier: number): RateLimits {
  const take = async (key: string, base: number): Promise<LimitState> => {
    const limit = Math.max(1, Math.floor(base * multiplier))
    const { count, resetAt } = await counters.hit(key, WINDOW_MS)
    return { limit, remaining: Math.max(0, limit - count), resetAt, exceeded: count > limit }
  }
  return {
    take: (category, key) => take(`${category}:${key}`, LIMITS[category]),
    takeAddress: (ip) => take(`address:${networkOf(ip)}`, AUTHENTICATION_PER_ADDRESS),
  }
}

/** Sets the headers of section 9.2 and refuses with 429 when the limit is exceeded. */
export function applyLimit(reply: FastifyReply, state: LimitState, clock: Clock): void {
  setLimitHeaders(reply, state)
  if (state.exceeded) throw tooManyRequests(state, clock)
}

export function setLimitHeaders(reply: FastifyReply, { limit, remaining, resetAt }: Omit<LimitState, 'exceeded'>): void {
  reply.header('x-ratelimit-limit', String(limit))
  reply.header('x-ratelimit-remaining', String(remaining))
  reply.header('x-ratelimit-reset', String(Math.ceil(resetAt / 1000)))
}

export function tooManyRequests(state: LimitState, clock: Clock): AppError {
  return new AppError('RATE_LIMITED', { rateLimit: state, retryAfter: Math.max(1, Math.ceil((state.resetAt - clock.now()) / 1000)) })
}

/** What one subscriber holds: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)
  if (mapped?.[1]) return mapped[1]
  if (!isIPv6(ip)) return ip
  const [head = '', tail] = ip.split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail ? tail.split(':') : []
  const groups = tail === undefined ? left : [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

/** The e-mail an authentication request names, as far as a body not yet validated tells. */
export function claimedEmail(request: FastifyRequest): string {
  const email = (request.body as { email?: unknown } | undefined)?.email
  return typeof email === 'string' ? email.trim().toLowerCase().slice(0, 320) : ''
}
