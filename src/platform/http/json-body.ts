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

/** The path of the first text that PostgreSQL cannot hold, if there is one. */
export function unstorableField(value: unknown, path: readonly string[] = []): string | undefined {
  if (typeof value === 'string') return value.includes('\0') || !value.isWellFormed() ? path.join('.') || 'body' : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, child] of Object.entries(value)) {
    if (key.includes('\0') || !key.isWellFormed()) return path.join('.') || 'body'
    const field = unstorableField(child, [...path, key])
    if (field !== undefined) return field
  }
  return undefined
}
