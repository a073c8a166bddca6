import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { z } from 'zod'
import type { TypedApp } from './typed-app.ts'

/** One thing the server depends on. */
export interface DependencyCheck {
  readonly name: string
  /** Without it nothing works; the others only degrade. */
  readonly required: boolean
  /** Resolves when it answers. */
  check(): Promise<void>
}

export interface GaugeSource {
  readonly name: string
  readonly help: string
  /** A gauge that cannot be read is NaN in that answer. */
  read(): number | Promise<number>
}

const CHECK_TIMEOUT_MS = 2_000

const Readiness = z.object({ status: z.enum(['ready', 'degraded', 'unavailable', 'draining']), checks: z.record(z.string(), z.enum(['ok', 'failed'])) })

/** Whether a check answers in time. */
async function answers(check: DependencyCheck): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), CHECK_TIMEOUT_MS)
  })
  const answer = check.check().then(
    () => true,
    () => false,
  )
  return Promise.race([answer, timeout]).finally(() => clearTimeout(timer))
}

/** /livez, /readyz and /metrics, and one log line a request that tells route, status and time: no path, no query, no body. */
export function registerObservability(app: TypedApp, checks: readonly DependencyCheck[], gauges: readonly GaugeSource[]): void {
  const tags = ['Operations']
  const config = { pressureHandler: () => {} }
  let draining = false
  app.addHook('preClose', async () => {
    draining = true
  })

  app.get('/livez', { config, schema: { tags, summary: 'Is the process alive', response: { 200: z.object({ status: z.literal('ok') }) } } }, async () => ({
    status: 'ok' as const,
  }))

  app.get(
    '/readyz',
    {
      config,
      schema: {
        tags,
        summary: 'Can the server do its work',
        description:
          '`degraded`: it works, with less (without Redis a shared limit is counted for each instance alone, and live events reach the sockets of one instance). 503 when the database is away or the server is stopping.',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const results = await Promise.all(checks.map(async (check) => ({ check, ok: await answers(check) })))
      const states = Object.fromEntries(results.map(({ check, ok }) => [check.name, ok ? ('ok' as const) : ('failed' as const)]))
      const failed = results.filter(({ ok }) => !ok)
      const unavailable = failed.some(({ check }) => check.required)
      const status = draining ? 'draining' : unavailable ? 'unavailable' : failed.length > 0 ? 'degraded' : 'ready'
      return reply.status(draining || unavailable ? 503 : 200).send({ status, checks: states })
    },
  )

  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from request to answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  })
  for (const { name, help, read } of gauges) {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await Promise.resolve(read()).catch(() => Number.NaN))
      },
    })
  }
  app.get(
    '/metrics',
    { config, schema: { tags, summary: 'Metrics for Prometheus', produces: ['text/plain'], response: { 200: z.string() } } },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  )

  logAndMeasure(app, durations)
}

function logAndMeasure(app: FastifyInstance, durations: Histogram<'method' | 'route' | 'status'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    durations.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000)
    request.log.info({ method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request')
    done()
  })
}
