import cors from '@fastify/cors'
import jwt from '@fastify/jwt'
import underPressure from '@fastify/under-pressure'
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { API } from './api-info.ts'
import type { Config } from './config.ts'
import type { Deps } from './deps.ts'
import { childrenService } from './family/children.service.ts'
import { registerDoors } from './family/doors.ts'
import { erasureService } from './family/erasure.service.ts'
import { exportOf, FAMILY_EXPORT } from './family/export.ts'
import { registerFamilyRoutes } from './family/family.routes.ts'
import { familyProfiles, parentsService } from './family/parents.service.ts'
import { registerAuthRoutes, registerJwksRoute } from './identity/auth.routes.ts'
import { authService } from './identity/auth.service.ts'
import { ISSUER, tokensOf } from './identity/tokens.ts'
import { MAX_FRAME_BYTES } from './learning/gateway/frames.ts'
import { LEARNING_EXPORT, UNTOLD } from './learning/learning-export.ts'
import { learningRoom } from './learning/plugin.ts'
import { ownsItem } from './learning/rewards/shop.service.ts'
import { registerDocs } from './platform/http/docs.ts'
import { registerDrain } from './platform/http/drain.ts'
import { AppError } from './platform/http/errors.ts'
import { idempotencyStore } from './platform/http/idempotency.ts'
import { registerJsonBody } from './platform/http/json-body.ts'
import { type DependencyCheck, type GaugeSource, registerObservability } from './platform/http/observability.ts'
import { registerOpenapi } from './platform/http/openapi.ts'
import { rateLimits } from './platform/http/rate-limits.ts'
import { registerErrorRenderer, sendError } from './platform/http/render-error.ts'
import { registerCommonHeaders, setCommonHeaders } from './platform/http/security-headers.ts'
import { fastSerializerCompiler } from './platform/http/serializer.ts'
import type { TypedApp } from './platform/http/typed-app.ts'
import { registerWebSockets } from './platform/http/websockets.ts'
import { isUuid, newId } from './platform/ids.ts'
import type { Job } from './platform/jobs.ts'
import { alertsService } from './safety/alerts.service.ts'
import { alertsStore } from './safety/alerts.store.ts'
import { registerFlagRoutes } from './safety/flags.routes.ts'
import { flagsService } from './safety/flags.service.ts'
import { safeguardingService } from './safety/safeguarding.service.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Work that a running server does again and again; see startJobs. */
    jobs: readonly Job[]
  }
}

const BODY_LIMIT_BYTES = 64 * 1024
const REQUEST_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 72_000
/** Above these the server sheds load: 503 with Retry-After. */
const MAX_EVENT_LOOP_DELAY_MS = 1_500
const MAX_HEAP_BYTES = 1_500 * 1024 * 1024
/** Tokens whose signatures need not be checked again (kept by hash); expiry and logout are looked at each time all the same. */
const VERIFIED_TOKENS = 10_000

/** The one assembly of the server, used by production and by every test. It listens to nothing yet. */
export async function buildApp(config: Config, deps: Deps): Promise<TypedApp> {
  const { db, clock, revocations, logger } = deps
  const { trustProxy: hops } = config
  const app: TypedApp = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: typeof hops === 'number' ? (_address: string, hop: number) => hop < hops : hops,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    frameworkErrors: (_error, request, reply) => {
      setCommonHeaders(request, reply)
      sendError(request, reply, new AppError('NOT_FOUND'))
    },
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && isUuid(given) ? given : newId()
    },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(config.production ? fastSerializerCompiler : serializerCompiler)
  registerCommonHeaders(app)
  registerJsonBody(app)
  registerErrorRenderer(app)
  registerDrain(app)

  await registerOpenapi(app, API)
  await app.register(cors, {
    origin: config.corsOrigins.length > 0 ? [...config.corsOrigins] : false,
    methods: [...CORS_METHODS],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: 600,
  })
  await app.register(underPressure, {
    maxEventLoopDelay: MAX_EVENT_LOOP_DELAY_MS,
    maxHeapUsedBytes: MAX_HEAP_BYTES,
    pressureHandler: () => {
      throw new AppError('SERVICE_UNAVAILABLE', { retryAfter: 5 })
    },
  })
  await registerWebSockets(app, MAX_FRAME_BYTES)
  await app.register(jwt, {
    secret: { private: deps.signingKey.privatePem, public: deps.signingKey.publicPem },
    sign: { algorithm: 'RS256', kid: deps.signingKey.jwk.kid },
    verify: { algorithms: ['RS256'], allowedIss: ISSUER, requiredClaims: ['iss', 'sub', 'sid', 'type', 'exp'], ignoreExpiration: true, cache: VERIFIED_TOKENS },
  })

  const tokens = tokensOf(app.jwt, clock, revocations)
  const limits = rateLimits(deps.counters, config.rateLimitMultiplier)
  const onError = (error: unknown) => logger.error({ err: error }, 'work in the background failed')
  const children = childrenService({ db, clock, tokens, revocations, ownsItem, knownTopics: new Set(deps.curriculum.topics.map((topic) => topic.id)) })
  const room = learningRoom({ ...deps, tokens, limits, children, publicUrl: config.publicUrl, onError })
  const auth = authService({ ...deps, tokens, limits, profiles: familyProfiles, publicUrl: config.publicUrl, onMailError: onError })
  const parents = parentsService(db, clock)
  const flags = flagsService(db, clock)
  const conversationUrl = (id: string) => `${config.publicUrl}/v1/dashboard/conversations/${id}`
  const alerts = alertsService({ ...deps, store: alertsStore(db), safeguardingEmail: config.safeguardingEmail, conversationUrl, onError })
  if (config.safeguardingEmail === undefined) logger.warn('SAFEGUARDING_EMAIL is not set: disclosures that point at a caregiver reach nobody')

  const idempotency = idempotencyStore(db, clock, deps.box)
  const erasure = erasureService({ db, clock, revocations, anonymousScopes: idempotency.anonymousScopes, untold: UNTOLD })
  const exportChild = (childId: string, requestId: string) =>
    exportOf(db, [...FAMILY_EXPORT, ...LEARNING_EXPORT], childId, '{"data":{', `},"meta":{"request_id":${JSON.stringify(requestId)}}}`)

  registerDoors(app, { db, clock, tokens, limits, idempotency })
  registerObservability(app, dependencyChecks(deps), gauges(room.gateway, deps))
  await registerDocs(app)
  registerJwksRoute(app, deps.signingKey)
  room.registerGateway(app, '/ws')
  await app.register(
    async (v1: TypedApp) => {
      registerAuthRoutes(v1, auth, clock)
      registerFamilyRoutes(v1, { parents, children, erasure, exportChild })
      await room.registerRoutes(v1)
      registerFlagRoutes(v1, flags)
      room.registerGateway(v1, '/ws')
    },
    { prefix: '/v1' },
  )
  app.decorate('jobs', [{ name: 'safety-alerts', cron: '* * * * *', run: async () => void (await alerts.sendAlerts()) }, ...room.jobs])
  app.addHook('preClose', async () => room.close())
  app.addHook('onClose', async () => room.drain())
  return app
}

const CORS_METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE']
const EXPOSED_HEADERS = [
  ...['X-Request-ID', 'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
  ...['Retry-After', 'Idempotency-Replayed', 'Deprecation', 'Sunset'],
]

function dependencyChecks({ db, redis, revocations, live }: Deps): DependencyCheck[] {
  const failUnless = (condition: boolean) => (condition ? Promise.resolve() : Promise.reject(new Error('not connected')))
  return [
    { name: 'postgres', required: true, check: () => db.ping() },
    { name: 'revocations', required: false, check: () => failUnless(revocations.connected) },
    ...(redis
      ? [
          { name: 'redis', required: false, check: async () => void (await redis.ping()) },
          { name: 'live_events', required: false, check: () => failUnless(live.connected) },
        ]
      : []),
  ]
}

function gauges(gateway: { readonly sockets: number }, { live, db, clock }: Deps): GaugeSource[] {
  return [
    { name: 'brainspark_sockets', help: 'Open WebSocket connections', read: () => gateway.sockets },
    { name: 'brainspark_children_listening', help: 'Children with at least one authenticated socket', read: () => live.listeners.length },
    {
      name: 'brainspark_safeguarding_waiting',
      help: 'Disclosures that point at a caregiver and that nobody has acknowledged',
      read: () => safeguardingService(db, clock).waiting(),
    },
  ]
}
