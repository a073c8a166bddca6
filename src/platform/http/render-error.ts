import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { isDatabaseUnavailable, violatedForeignKey } from '../db/database.ts'
import { AppError, ERRORS, type FieldFault } from './errors.ts'
import { setLimitHeaders } from './rate-limits.ts'

const RETRY_WHEN_UNAVAILABLE_SECONDS = 2

/** The wire form of section 8.1; with `forChild`, of 8.3 too. */
export function errorBody(error: AppError, requestId: string, forChild: boolean): { error: Record<string, unknown> } {
  const { details, reason, retryAfter, child } = error.options
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(details && { details }),
      ...(reason && { reason }),
      ...(retryAfter !== undefined && { retry_after: retryAfter }),
      ...(forChild && { child_message: child ?? ERRORS[error.code].child, child_animation: ERRORS[error.code].animation }),
      request_id: requestId,
    },
  }
}

/** Turns whatever was thrown into an error of the catalogue; what it does not know becomes INTERNAL_ERROR. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return new AppError('VALIDATION_ERROR', { details: error.validation.flatMap(toFieldFaults) })
  if (namesErasedChild(error)) return new AppError('CHILD_ACCESS_DENIED')
  if (isDatabaseUnavailable(error)) return new AppError('SERVICE_UNAVAILABLE', { retryAfter: RETRY_WHEN_UNAVAILABLE_SECONDS, cause: error })
  const { code, statusCode } = error as Partial<FastifyError>
  if (statusCode === 503) return new AppError('SERVICE_UNAVAILABLE', { retryAfter: RETRY_WHEN_UNAVAILABLE_SECONDS, cause: error })
  if (statusCode === 413) return new AppError('VALIDATION_ERROR', { status: 413, message: 'The body is larger than 64 KiB' })
  if (statusCode === 415) return new AppError('VALIDATION_ERROR', { status: 415, message: 'Send application/json' })
  if (code === 'FST_ERR_NOT_FOUND' || statusCode === 404) return new AppError('NOT_FOUND')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AppError('VALIDATION_ERROR', { status: 400, details: [{ field: 'body', message: 'The request could not be read' }], cause: error })
  }
  return new AppError('INTERNAL_ERROR', { cause: error })
}

/** A row for a child that was erased after it had been let in. */
function namesErasedChild(error: unknown): boolean {
  const constraint = violatedForeignKey(error)
  return constraint !== undefined && /child_id/.test(constraint)
}

interface ZodValidationEntry {
  readonly instancePath: string
  readonly keyword: string
  readonly message?: string
  readonly params: unknown
}

function toFieldFaults(entry: ZodValidationEntry): FieldFault[] {
  const path = entry.instancePath.split('/').filter(Boolean)
  const { issue, keys } = (entry.params ?? {}) as { issue?: { keys?: string[] }; keys?: string[] }
  if (entry.keyword === 'unrecognized_keys') {
    const unknown = keys ?? issue?.keys ?? ['']
    return unknown.map((key) => ({ field: [...path, key].filter(Boolean).join('.') || 'body', message: 'Unknown field' }))
  }
  return [{ field: path.join('.') || 'body', message: entry.message ?? 'Invalid value' }]
}

/** Headers, status and body of an error; logged. */
export function sendError(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = toAppError(thrown)
  logRefusal(request, error)
  if (error.options.rateLimit) setLimitHeaders(reply, error.options.rateLimit)
  if (error.options.retryAfter !== undefined) reply.header('retry-after', String(error.options.retryAfter))
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  const forChild = request.routeOptions.config.actor === 'child'
  return reply
    .status(error.status)
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(errorBody(error, request.id, forChild))
}

/** Server faults with their cause, everything else at debug level. */
export function logRefusal(request: FastifyRequest, error: AppError): void {
  if (error.status >= 500) request.log.error({ err: error.options.cause ?? error, code: error.code }, 'request failed')
  else request.log.debug({ code: error.code, fields: error.options.details?.map((detail) => detail.field) }, 'request refused')
}

/** What a log may hold of an unexpected error: names, codes and stack, never values (a database error quotes them). */
export function safeCause(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as { code?: string }
  const stack = error.stack
    ?.split('\n')
    .filter((line) => line.trim().startsWith('at '))
    .slice(0, 12)
    .join('\n')
  return { type: error.name, code, stack, ...(error.cause !== undefined && { cause: safeCause(error.cause) }) }
}

/** One renderer for everything under the instance, unknown routes included. */
export function registerErrorRenderer(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => sendError(request, reply, error))
  app.setNotFoundHandler((request, reply) => sendError(request, reply, new AppError('NOT_FOUND')))
}
