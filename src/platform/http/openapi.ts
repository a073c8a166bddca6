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
type Responses = Record<string, OpenAPIV3.ResponseObject>

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
  const responses: Responses = {}
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item?.[method]
      if (operation) describeOperation(operation, method, path, configs.get(`${method} ${path}`) ?? {}, responses)
    }
  }
  document.components = { ...document.components, headers: HEADERS, responses, schemas: { ...document.components?.schemas, Error: ERROR_SCHEMA } }
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

const RATE_HEADERS = {
  'X-RateLimit-Limit': header('RateLimitLimit'),
  'X-RateLimit-Remaining': header('RateLimitRemaining'),
  'X-RateLimit-Reset': header('RateLimitReset'),
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

function describeOperation(operation: Operation, method: string, path: string, config: FastifyContextConfig, responses: Responses): void {
  const { actor = 'public', limit = 'none', deprecated } = config
  operation.operationId = `${method}${path.replace(/[^A-Za-z0-9]+(\w?)/g, (_match, letter: string) => letter.toUpperCase())}`
  operation.security = actor === 'public' ? [] : [{ bearer: [] }]
  if (deprecated) operation.deprecated = true
  const isWebSocket = operation.responses['101'] !== undefined
  const ownParameters = operation.parameters ?? []
  operation.parameters = [...ownParameters, ...headerParameters(method, config, isWebSocket)]
  for (const response of Object.values(operation.responses) as OpenAPIV3.ResponseObject[]) describeSuccess(response, method, limit !== 'none')
  if (limit !== 'none') operation.description = [operation.description, `Rate limit: ${limit}, ${LIMITS[limit]} a minute.`].filter(Boolean).join('\n\n')

  const takesInput = operation.requestBody !== undefined || ownParameters.length > 0
  const refuse = (status: number, codes: readonly ErrorCode[], description?: string) => {
    operation.responses[status] = refusal(responses, { status, codes, forChild: actor === 'child', isLimited: limit !== 'none', description })
  }
  for (const [status, codes] of errorsOf(method, config, takesInput)) refuse(status, codes)
  if (operation.requestBody) {
    refuse(413, ['VALIDATION_ERROR'], 'The body is larger than 64 KiB')
    refuse(415, ['VALIDATION_ERROR'], 'The body is not application/json')
  }
}

function headerParameters(method: string, { actor, childOptional }: FastifyContextConfig, isWebSocket: boolean): OpenAPIV3.ParameterObject[] {
  const uuid = { type: 'string', format: 'uuid' } as const
  const childHeader: OpenAPIV3.ParameterObject = {
    name: 'X-Child-ID',
    in: 'header',
    description: `The child to speak for. ${childOptional ? 'Optional with' : 'Required with'} a parent token, needless with a child token.`,
    schema: uuid,
  }
  const keyHeader: OpenAPIV3.ParameterObject = {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Makes the request safe to send again for 24 hours: the first answer comes back. Another request under the same key: 422; the first still under way: 409.',
    schema: { type: 'string', maxLength: 255, pattern: '^[\\x21-\\x7e]{1,255}$' },
  }
  const idHeader: OpenAPIV3.ParameterObject = { name: 'X-Request-ID', in: 'header', description: 'A UUID for tracing; echoed', schema: uuid }
  return [...(actor === 'child' ? [childHeader] : []), ...(method === 'post' ? [keyHeader] : []), ...(isWebSocket ? [] : [idHeader])]
}

function describeSuccess(response: OpenAPIV3.ResponseObject, method: string, isLimited: boolean): void {
  response.headers = {
    'X-Request-ID': header('RequestId'),
    ...(isLimited && RATE_HEADERS),
    ...(method === 'post' && { 'Idempotency-Replayed': header('IdempotencyReplayed') }),
  }
  if (!response.description || response.description === 'Default Response') response.description = 'Success'
  const { content } = response
  if (content?.['text/event-stream']) response.content = { ...content, 'text/event-stream': { schema: { type: 'string', description: 'Server-sent events' } } }
}

/** The errors a route gives, by status: those of its kind and those it names itself. */
function errorsOf(
  method: string,
  { actor = 'public', limit = 'none', childParam, errors = [] }: FastifyContextConfig,
  takesInput: boolean,
): [number, ErrorCode[]][] {
  const codes: ErrorCode[] = [
    ...(takesInput || actor === 'child' || method === 'post' ? (['VALIDATION_ERROR'] as const) : []),
    ...(actor === 'public' ? [] : (['UNAUTHORIZED', 'TOKEN_EXPIRED', 'FORBIDDEN'] as const)),
    ...(actor === 'child' || childParam ? (['CHILD_ACCESS_DENIED'] as const) : []),
    ...(method === 'post' ? (['CONFLICT', 'UNPROCESSABLE_ENTITY'] as const) : []),
    ...(limit === 'none' ? [] : (['RATE_LIMITED', 'INTERNAL_ERROR', 'SERVICE_UNAVAILABLE'] as const)),
    ...errors,
  ]
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(codes)) byStatus.set(ERRORS[code].status, [...(byStatus.get(ERRORS[code].status) ?? []), code])
  return [...byStatus].sort(([a], [b]) => a - b)
}

interface Refusal {
  readonly status: number
  readonly codes: readonly ErrorCode[]
  readonly forChild: boolean
  readonly isLimited: boolean
  readonly description?: string | undefined
}

/** A reference to the shared response of a refusal, which is added to `responses` when it is new. */
function refusal(responses: Responses, { status, codes, forChild, isLimited, description }: Refusal): OpenAPIV3.ReferenceObject {
  const name = [`Error${status}`, ...codes, ...(forChild ? ['child'] : []), ...(isLimited ? [] : ['unlimited'])].join('.')
  const exampleOf = (code: ErrorCode) => {
    const { message, child, animation } = ERRORS[code]
    const childWords = forChild && { child_message: child, child_animation: animation }
    return { value: { error: { code, message: description ?? message, ...childWords, request_id: '0b5f6a0e-5f0e-4c27-9d0d-2f6a1c1f4c11' } } }
  }
  const mayWait = status === 429 || status === 503
  responses[name] = {
    description: description ?? codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
    headers: { 'X-Request-ID': header('RequestId'), ...(isLimited && RATE_HEADERS), ...(mayWait && { 'Retry-After': header('RetryAfter') }) },
    content: {
      'application/json': {
        schema: { $ref: '#/components/schemas/Error' },
        examples: Object.fromEntries(codes.map((code) => [code, exampleOf(code)])),
      },
    },
  }
  return { $ref: `#/components/responses/${name}` }
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
  visit(document.components?.responses)
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name]
}
