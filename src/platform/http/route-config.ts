import type { ErrorCode } from './errors.ts'

/** Who may call: anyone; a parent; or a child, through a child token or a parent token with X-Child-ID. */
export type Actor = 'public' | 'parent' | 'child'

/** Section 9.1 of the learning contract, and the two categories of our own for refreshing and for probes. */
export type LimitCategory = 'authentication' | 'refresh' | 'messages' | 'general' | 'dashboard' | 'none'

declare module 'fastify' {
  interface FastifyContextConfig {
    actor?: Actor
    limit?: LimitCategory
    /** A child endpoint that also answers a parent who names no child. */
    childOptional?: boolean
    /** A parent endpoint whose path names a child with this parameter: access is checked before anything else. */
    childParam?: string
    /** Answers to an Idempotency-Key through the route's own store, not the general one. */
    ownIdempotency?: boolean
    /** What the route does while load is being shed: probes answer all the same. */
    pressureHandler?: () => void
    /** Refusals of the route beyond those every route of its kind has, for the documentation. */
    errors?: readonly ErrorCode[]
    /** RFC 9745 and RFC 8594: since when deprecated, and when it goes. */
    deprecated?: { since: string; sunset: string; successor?: string }
  }
}
