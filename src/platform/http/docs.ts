import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { PAGE_HEADERS } from './security-headers.ts'

const REDOC_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>BrainSpark API</title></head>
<body><div id="redoc"></div><script src="/redoc/redoc.standalone.js"></script><script src="/redoc/start.js"></script></body>
</html>
`
const REDOC_START = "Redoc.init('/v1/openapi.json', { hideDownloadButton: false }, document.getElementById('redoc'))\n"

/** The copy that the build made, or the package's own where nothing is built; without the maker's logo, which it would fetch from a CDN. */
function redocBundle(): Buffer {
  const built = new URL('../../assets/redoc.standalone.js', import.meta.url)
  const file = existsSync(built) ? built : createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js')
  return Buffer.from(readFileSync(file, 'utf8').replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', 'data:,'))
}

/** The OpenAPI document, Swagger UI at /docs and ReDoc at /redoc: all of it served from here, nothing from a CDN. */
export async function registerDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_HEADERS['content-security-policy'],
    uiConfig: { url: '/v1/openapi.json', persistAuthorization: true, docExpansion: 'list', displayRequestDuration: true, validatorUrl: null },
  })
  const page = { schema: { hide: true } }
  app.get('/redoc', page, (_request, reply) => reply.headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(REDOC_PAGE))
  app.get('/redoc/start.js', page, (_request, reply) => reply.headers(PAGE_HEADERS).type('text/javascript; charset=utf-8').send(REDOC_START))
  const bundle = redocBundle()
  app.get('/redoc/redoc.standalone.js', page, (_request, reply) =>
    reply.type('text/javascript; charset=utf-8').header('cache-control', 'public, max-age=86400').send(bundle),
  )

  let document: string | undefined
  app.get('/v1/openapi.json', { schema: { tags: ['Operations'], summary: 'This document', produces: ['application/json'] } }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(document)
  })
}
