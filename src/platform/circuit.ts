import { type Clock, type Instant, MINUTE } from './clock.ts'

/** Nobody keeps us away for longer, whatever it asks. */
const LONGEST_REST_MS = 10 * MINUTE

/**
 * Keeps away from a service that fails. Ours, since the kept libraries want a newer Node, and time and count calls that
 * give one answer: here a stream may count by its beginning, and time is the injected clock.
 */
export interface Circuit {
  /** Whether to try now. After a rest one try at a time, until one has worked. */
  admits(): boolean
  succeeded(): void
  /** `restMs`: how long the other side asked to be left alone. */
  failed(restMs?: number): void
}

/** Opens after so many failures in a row, for `restMs`. */
export function circuit(clock: Clock, { failures: limit, restMs }: { readonly failures: number; readonly restMs: number }): Circuit {
  let failures = 0
  let restUntil: Instant = 0
  /** What the other side asked for lasts, also when an answer comes meanwhile to what was asked of it before. */
  let askedUntil: Instant = 0
  return {
    admits() {
      const now = clock.now()
      if (now < restUntil || now < askedUntil) return false
      if (failures >= limit) restUntil = now + restMs
      return true
    },
    succeeded() {
      failures = 0
      restUntil = 0
    },
    failed(asked = 0) {
      failures += 1
      const now = clock.now()
      if (failures >= limit) restUntil = now + restMs
      askedUntil = Math.max(askedUntil, now + Math.min(asked, LONGEST_REST_MS))
    },
  }
}
