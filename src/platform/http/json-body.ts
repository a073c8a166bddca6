import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { invalidField } from './errors.ts'

/**
 * Reads JSON bodies: an empty one is no body, prototype poisoning is refused, and so is text that PostgreSQL cannot
 * hold (a null character or half a surrogate pair can only come in as a \u escape).
 */
export function registerJsonBody(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (!route.schema?.body) route.preValidation = [...[route.preValidation ?? []].flat(), refuseFields]
  })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = body as string
    if (text.trim() === '') return done(null, undefined)
    void parse(request, text, (error, value) => {
      if (error) return done(invalidField('body', 'The body is not valid JSON'))
      const field = text.includes('\\u') ? unstorableField(value) : undefined
      if (field !== undefined) return done(invalidField(field, 'Contains a character that cannot be stored'))
      done(null, value)
    })
  })
}

/** Routes that take no body refuse one with fields in it: each is an unknown field. */
function refuseFields(request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  const body: object | string = request.body ?? {}
  const isEmpty = typeof body === 'object' && !Array.isArray(body) && Object.keys(body).length === 0
  const [field = 'body'] = typeof body === 'object' ? Object.keys(body) : []
  done(isEmpty ? undefined : invalidField(field, 'Unknown field'))
}

/** Nothing that is asked for nests so deep; walking deeper would only cost time. */
const DEEPEST = 32

/** The path of the first text that PostgreSQL cannot hold, if there is one. What nests deeper than 32 levels counts as unstorable. */
export function unstorableField(value: unknown): string | undefined {
  const path = pathToUnstorable(value, DEEPEST)
  return path && (path.length > 0 ? path.join('.') : 'body')
}

function pathToUnstorable(value: unknown, levels: number): string[] | undefined {
  const isUnstorable = (text: string) => text.includes('\0') || !text.isWellFormed()
  if (typeof value === 'string') return isUnstorable(value) ? [] : undefined
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return []
  for (const [key, child] of Object.entries(value)) {
    if (isUnstorable(key)) return []
    const path = pathToUnstorable(child, levels - 1)
    if (path) return [key, ...path]
  }
  return undefined
}
