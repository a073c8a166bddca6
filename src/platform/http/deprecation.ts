import type { FastifyInstance } from 'fastify'

/** Tells clients of routes that will go: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link to the successor. */
export function registerDeprecation(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const { deprecated } = request.routeOptions.config
    if (!deprecated) return
    reply.header('deprecation', `@${Math.floor(Date.parse(deprecated.since) / 1_000)}`)
    reply.header('sunset', new Date(deprecated.sunset).toUTCString())
    if (deprecated.successor) reply.header('link', `<${deprecated.successor}>; rel="successor-version"`)
  })
}
