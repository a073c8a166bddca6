import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import helmet from 'helmet'

/** The headers that helmet sets for these options, found out once: they do not depend on the request. */
function headersOf(options: Parameters<typeof helmet>[0]): Record<string, string> {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  helmet(options)(response.req, response, () => {})
  return Object.fromEntries(Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)]))
}

const API_HEADERS = headersOf({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] } },
})

/** For pages with scripts and styles of our own: nothing from another host, no inline script, no eval. */
export const PAGE_HEADERS = headersOf({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      workerSrc: ["'self'", 'blob:'],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
})

/** The headers of every answer, those that no hook sees included. */
export function setCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id).headers(API_HEADERS)
}

/** What every answer carries: its request id, the headers that make browsers careful, and word of routes that will go. */
export function registerCommonHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    setCommonHeaders(request, reply)
    const { deprecated } = request.routeOptions.config
    if (deprecated) {
      reply.header('deprecation', `@${Math.floor(Date.parse(deprecated.since) / 1_000)}`)
      reply.header('sunset', new Date(deprecated.sunset).toUTCString())
      if (deprecated.successor) reply.header('link', `<${deprecated.successor}>; rel="successor-version"`)
    }
    done()
  })
}
