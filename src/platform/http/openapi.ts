import swagger from '@fastify/swagger'
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { OpenAPIV3 } from 'openapi-types'
import { ERRORS, type ErrorCode } from './errors.ts'
import { LIMITS } from './rate-limits.ts'

export interface OpenapiInfo {
  readonly title: string
  readonly version: string
  readonly description: string
  readonly tags: readonly { readonly name: string; readonly description: string }[]
}

type Operation = OpenAPIV3.OperationObject
type Document = OpenAPIV3.Document

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

const conversion = {
  zodToJsonConfig: {
    unrepresentable: 'any' as const,
    override: ({ jsonSchema }: { jsonSchema: { format?: string; pattern?: unknown; maximum?: number; minimum?: number } }) => {
      if (jsonSchema.format === 'uuid' || jsonSchema.format === 'date-time' || jsonSchema.format === 'email' || jsonSchema.format === 'date')
        delete jsonSchema.pattern
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  },
}

/**
 * Makes the OpenAPI 3.0 document from the routes: what zod says of bodies and answers, and what a route's configuration
 * says of who may call, which limit counts and which errors it gives. Register before any route.
 */
export async function registerOpenapi(app: FastifyInstance, info: OpenapiInfo): Promise<void> {
  const configs = new Map<string, FastifyContextConfig>()
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) configs.set(`${method.toLowerCase()} ${toTemplate(route.url)}`, route.config ?? {})
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: { title: info.title, version: info.version, description: info.description },
      servers: [{ url: '/' }],
      tags: [...info.tags],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A parent token from /v1/auth/login or /register, or a child token from /activate',
          },
        },
      },
    },
    transform: createJsonSchemaTransform(conversion),
    transformObject: (input) => describe(createJsonSchemaTransformObject(conversion)(input) as Document, configs),
  })
}

const toTemplate = (url: string): string => url.replace(/:(\w+)/g, '{$1}')

function describe(document: Document, configs: ReadonlyMap<string, FastifyContextConfig>): Document {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item?.[method]
      if (operation) describeOperation(operation, method, path, configs.get(`${method} ${path}`) ?? {})
    }
  }
  document.components = { ...document.components, headers: HEADERS, schemas: { ...document.components?.schemas, Error: ERROR_SCHEMA } }
  prune(document)
  return document
}

const header = (name: string): OpenAPIV3.ReferenceObject => ({ $ref: `#/components/headers/${name}` })

const HEADERS: Record<string, OpenAPIV3.HeaderObject> = {
  RequestId: { description: 'The X-Request-ID of the request if it was a UUID, else a new one', schema: { type: 'string', format: 'uuid' } },
  RateLimitLimit: { description: 'Requests allowed in a window', schema: { type: 'integer' } },
  RateLimitRemaining: { description: 'Requests left in this window', schema: { type: 'integer' } },
  RateLimitReset: { description: 'When the window ends, epoch seconds', schema: { type: 'integer' } },
  RetryAfter: { description: 'Seconds to wait', schema: { type: 'integer' } },
  IdempotencyReplayed: {
    description: '`true` when this is the stored answer of an earlier request with the same Idempotency-Key',
    schema: { type: 'string', enum: ['true'] },
  },
}

const ERROR_SCHEMA: OpenAPIV3.SchemaObject = {
  type: 'object',
  description: 'Every refusal has this shape (section 8 of the contract).',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'request_id'],
      properties: {
        code: { type: 'string', enum: Object.keys(ERRORS) },
        message: { type: 'string' },
        details: {
          type: 'array',
          description: 'The faulty fields',
          items: { type: 'object', required: ['field', 'message'], properties: { field: { type: 'string' }, message: { type: 'string' } } },
        },
        reason: { type: 'string', description: 'Machine-readable, such as time_limit, bedtime, locked, pin_required' },
        retry_after: { type: 'integer', description: 'Seconds; the Retry-After header says the same' },
        child_message: { type: 'string', description: 'For the child; on child endpoints only' },
        child_animation: { type: 'string' },
        request_id: { type: 'string' },
      },
    },
  },
}

function describeOperation(operation: Operation, method: string, path: string, config: FastifyContextConfig): void {
  const { actor = 'public', limit = 'none', childOptional = false, childParam, deprecated } = config
  operation.operationId = `${method}${path.replace(/[^A-Za-z0-9]+(\w?)/g, (_match, letter: string) => letter.toUpperCase())}`
  operation.security = actor === 'public' ? [] : [{ bearer: [] }]
  if (deprecated) operation.deprecated = true
  const isWebSocket = operation.responses['101'] !== undefined
  const isUnsafePost = method === 'post'
  const parameters = operation.parameters ?? []
  operation.parameters = parameters
  if (actor === 'child') {
    parameters.push({
      name: 'X-Child-ID',
      in: 'header',
      required: false,
      description: `The child to speak for. ${childOptional ? 'Optional with' : 'Required with'} a parent token, needless with a child token.`,
      schema: { type: 'string', format: 'uuid' },
    })
  }
  if (isUnsafePost) {
    parameters.push({
      name: 'Idempotency-Key',
      in: 'header',
      description:
        'Makes the request safe to send again for 24 hours: the first answer comes back. Another request under the same key: 422; the first still under way: 409.',
      schema: { type: 'string', maxLength: 255, pattern: '^[\\x21-\\x7e]{1,255}$' },
    })
  }
  if (!isWebSocket)
    parameters.push({ name: 'X-Request-ID', in: 'header', description: 'A UUID for tracing; echoed', schema: { type: 'string', format: 'uuid' } })

  const rateHeaders: Record<string, OpenAPIV3.ReferenceObject> =
    limit === 'none'
      ? {}
      : { 'X-RateLimit-Limit': header('RateLimitLimit'), 'X-RateLimit-Remaining': header('RateLimitRemaining'), 'X-RateLimit-Reset': header('RateLimitReset') }
  for (const response of Object.values(operation.responses) as OpenAPIV3.ResponseObject[]) {
    response.headers = { 'X-Request-ID': header('RequestId'), ...rateHeaders, ...(isUnsafePost && { 'Idempotency-Replayed': header('IdempotencyReplayed') }) }
    if (!response.description || response.description === 'Default Response') response.description = 'Success'
  }
  if (limit !== 'none') {
    const perMinute = LIMITS[limit]
    operation.description = [operation.description, `Rate limit: ${limit}, ${perMinute} a minute.`].filter(Boolean).join('\n\n')
  }
  const byStatus = new Map<number, ErrorCode[]>()
  const add = (...codes: readonly ErrorCode[]) => {
    for (const code of codes) {
      const { status } = ERRORS[code]
      const known = byStatus.get(status) ?? []
      if (!known.includes(code)) byStatus.set(status, [...known, code])
    }
  }
  if (operation.requestBody || parameters.some((parameter) => !('$ref' in parameter) && parameter.in !== 'header') || actor === 'child' || isUnsafePost)
    add('VALIDATION_ERROR')
  if (actor !== 'public') add('UNAUTHORIZED', 'TOKEN_EXPIRED')
  if (actor === 'parent') add('FORBIDDEN')
  if (actor === 'child' || childParam) add('CHILD_ACCESS_DENIED')
  if (actor === 'child') add('FORBIDDEN')
  if (limit !== 'none') add('RATE_LIMITED')
  if (isUnsafePost) add('CONFLICT', 'UNPROCESSABLE_ENTITY')
  add(...(config.errors ?? []))
  if (limit !== 'none') add('INTERNAL_ERROR', 'SERVICE_UNAVAILABLE')
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b))
    operation.responses[status] = errorResponse(status, codes, actor === 'child', rateHeaders)
  if (operation.requestBody) {
    operation.responses['413'] = errorResponse(413, ['VALIDATION_ERROR'], actor === 'child', rateHeaders, 'The body is larger than 64 KiB')
    operation.responses['415'] = errorResponse(415, ['VALIDATION_ERROR'], actor === 'child', rateHeaders, 'The body is not application/json')
  }
}

function errorResponse(
  status: number,
  codes: readonly ErrorCode[],
  forChild: boolean,
  headers: Record<string, OpenAPIV3.ReferenceObject>,
  description?: string,
): OpenAPIV3.ResponseObject {
  const exampleOf = (code: ErrorCode) => {
    const { message, child, animation } = ERRORS[code]
    return {
      value: {
        error: { code, message, ...(forChild && { child_message: child, child_animation: animation }), request_id: '0b5f6a0e-5f0e-4c27-9d0d-2f6a1c1f4c11' },
      },
    }
  }
  return {
    description: description ?? codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
    headers: { 'X-Request-ID': header('RequestId'), ...headers, ...((status === 429 || status === 503) && { 'Retry-After': header('RetryAfter') }) },
    content: {
      'application/json': { schema: { $ref: '#/components/schemas/Error' }, examples: Object.fromEntries(codes.map((code) => [code, exampleOf(code)])) },
    },
  }
}

/** Drops schemas that nothing refers to: every registered schema comes twice, as input and as output. */
function prune(document: Document): void {
  const schemas = document.components?.schemas ?? {}
  const used = new Set<string>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { $ref: reference } = node as { $ref?: unknown }
    const name = typeof reference === 'string' ? /^#\/components\/schemas\/(.+)$/.exec(reference)?.[1] : undefined
    if (name && !used.has(name)) {
      used.add(name)
      visit(schemas[name])
    }
    for (const child of Object.values(node)) visit(child)
  }
  visit(document.paths)
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name]
}
