import { type Clock, SECOND } from '../clock.ts'

/** Milliseconds of a Retry-After in seconds or as a date (RFC 9110, 10.2.3); undefined when there is none to read. */
export function retryAfterMs(headers: Headers | undefined, clock: Clock): number | undefined {
  const value = headers?.get('retry-after')
  if (!value) return undefined
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * SECOND : Date.parse(value) - clock.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
