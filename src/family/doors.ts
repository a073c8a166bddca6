import type { FastifyInstance, FastifyReply, FastifyRequest, onSendAsyncHookHandler, preHandlerAsyncHookHandler, preValidationAsyncHookHandler } from 'fastify'
import type { Caller, Tokens } from '../identity/tokens.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError, invalidField } from '../platform/http/errors.ts'
import { type Claim, type IdempotencyStore, readIdempotencyKey } from '../platform/http/idempotency.ts'
import { applyLimit, claimedEmail, networkOf, type RateLimits, tooManyRequests } from '../platform/http/rate-limits.ts'
import { isUuid, newId } from '../platform/ids.ts'
import { type ActiveChild, requireChild } from './child-access.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set on every route that is not public. */
    caller: Caller
    /** The child spoken for or named by the path; set where the route's configuration says so. */
    child: ActiveChild
    /** On POST routes, the id to create things under: a retry with the same Idempotency-Key gets the same one. */
    operationId: string
    idempotencyClaim: Extract<Claim, { state: 'claimed' }> | null
  }
}

export interface DoorDeps {
  readonly db: Database
  readonly clock: Clock
  readonly tokens: Tokens
  readonly limits: RateLimits
  readonly idempotency: IdempotencyStore
}

const CHILD_HEADER = 'x-child-id'
const MAX_FAMILIAR = 50_000

/**
 * The checks that every route shares, in the order of refusals: token, rate limit, child access; then, once the request
 * has its shape, the Idempotency-Key. Each route says in its configuration which apply.
 */
export function registerDoors(app: FastifyInstance, deps: DoorDeps): void {
  const familiar = familiarChildren()
  app.decorateRequest('caller', null as unknown as Caller)
  app.decorateRequest('child', null as unknown as ActiveChild)
  app.decorateRequest('operationId', '')
  app.decorateRequest('idempotencyClaim', null)

  app.addHook('onRequest', async (request, reply) => {
    const { actor = 'public', childParam } = request.routeOptions.config
    if (actor !== 'public') request.caller = deps.tokens.authenticate(request.headers.authorization)
    await countRequest(request, reply, deps, familiar)
    if (actor === 'parent' && request.caller.childId !== undefined) throw new AppError('FORBIDDEN')
    const childId = actor === 'child' ? claimedChild(request) : childParam ? pathChild(request, childParam) : undefined
    if (childId === undefined) return
    request.child = await requireChild(deps.db, request.caller.accountId, childId, deps.clock.now())
    familiar.add(limitKey(request.caller, childId))
  })

  const limitAttempts: preValidationAsyncHookHandler = async (request, reply) => {
    const byAddress = await deps.limits.takeAddress(request.ip)
    if (byAddress.exceeded) throw tooManyRequests(byAddress, deps.clock)
    const key = `${networkOf(request.ip)}:${claimedEmail(request)}`
    applyLimit(reply, await deps.limits.take('authentication', key), deps.clock)
  }
  const claimKey: preHandlerAsyncHookHandler = (request, reply) => claimIdempotencyKey(request, reply, deps.idempotency)
  const settleKey: onSendAsyncHookHandler<unknown> = async (request, reply, payload) => {
    const claim = request.idempotencyClaim
    if (!claim) return payload
    request.idempotencyClaim = null
    const succeeded = reply.statusCode < 300 && (typeof payload === 'string' || payload === null || payload === undefined)
    if (succeeded) await claim.finish({ status: reply.statusCode, body: typeof payload === 'string' ? payload : '' })
    else await claim.abandon()
    return payload
  }
  app.addHook('onRoute', (route) => {
    const { limit, ownIdempotency } = route.config ?? {}
    if (limit === 'authentication') route.preValidation = [...[route.preValidation ?? []].flat(), limitAttempts]
    if (route.method !== 'POST' || ownIdempotency) return
    route.preHandler = [...[route.preHandler ?? []].flat(), claimKey]
    route.onSend = [...[route.onSend ?? []].flat(), settleKey]
  })
}

/** Children that have been let in before, so many at most. */
function familiarChildren() {
  const keys = new Set<string>()
  return {
    has: (key: string) => keys.has(key),
    add(key: string) {
      if (keys.size >= MAX_FAMILIAR && !keys.has(key)) keys.clear()
      keys.add(key)
    },
  }
}

/**
 * Child endpoints are counted per child, everything else per account. Requests for children that have not been let in
 * yet are counted together as well: a parent token that makes up children has no more requests than any other.
 */
async function countRequest(request: FastifyRequest, reply: FastifyReply, deps: DoorDeps, familiar: { has(key: string): boolean }): Promise<void> {
  const { limit = 'none', actor } = request.routeOptions.config
  if (limit === 'none' || limit === 'authentication' || limit === 'refresh') return
  if (actor === 'public') return applyLimit(reply, await deps.limits.take(limit, networkOf(request.ip)), deps.clock)
  const { caller } = request
  const key = limitKey(caller, actor === 'child' ? (caller.childId ?? header(request)) : undefined)
  if (key !== caller.accountId && caller.childId === undefined && !familiar.has(key)) {
    applyLimit(reply, await deps.limits.take('general', `${caller.accountId}:unfamiliar`), deps.clock)
  }
  applyLimit(reply, await deps.limits.take(limit, key), deps.clock)
}

/** Child endpoints are counted per child, which only its own account can use up. */
export function limitKey(caller: Caller, childId: string | undefined): string {
  return childId && isUuid(childId) ? `${caller.accountId}:${childId.toLowerCase()}` : caller.accountId
}

const header = (request: FastifyRequest): string | undefined => {
  const value = request.headers[CHILD_HEADER]
  return typeof value === 'string' ? value : undefined
}

/** The child a child endpoint is about: the token's own, or the one the parent names. */
function claimedChild(request: FastifyRequest): string | undefined {
  const named = header(request)
  const { childId } = request.caller
  if (childId !== undefined) {
    if (named !== undefined && named.toLowerCase() !== childId) throw new AppError('FORBIDDEN')
    return childId
  }
  if (named === undefined) {
    if (request.routeOptions.config.childOptional) return undefined
    throw invalidField('X-Child-ID', 'Name the child with this header')
  }
  if (!isUuid(named)) throw invalidField('X-Child-ID', 'Must be a UUID')
  return named.toLowerCase()
}

function pathChild(request: FastifyRequest, param: string): string {
  const childId = (request.params as Record<string, string>)[param] ?? ''
  if (!isUuid(childId)) throw invalidField(param, 'Must be a UUID')
  return childId.toLowerCase()
}

async function claimIdempotencyKey(request: FastifyRequest, reply: FastifyReply, store: IdempotencyStore): Promise<FastifyReply | undefined> {
  request.operationId = newId()
  const key = readIdempotencyKey(request.headers['idempotency-key'])
  if (key === undefined) return undefined
  const scope = request.caller?.accountId ?? store.anonymousScope(claimedEmail(request) || JSON.stringify(request.body ?? null))
  const claim = await store.claim(scope, key, { method: request.method, path: request.url, childId: request.child?.id, body: request.body })
  if (claim.state === 'replay') {
    reply.header('idempotency-replayed', 'true').status(claim.response.status)
    if (claim.response.body) reply.type('application/json; charset=utf-8')
    return reply.serializer((body: unknown) => body as string).send(claim.response.body || null)
  }
  request.operationId = claim.operationId
  request.idempotencyClaim = claim
  return undefined
}
