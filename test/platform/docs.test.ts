import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { OpenAPIV3 } from 'openapi-types'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../../src/platform/http/errors.ts'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { CONSENTS, type Family, makeFamily, PASSWORD, startConversation, TOPIC, takeTurn } from '../helpers/family.ts'
import {
  type Described,
  documentOf,
  faultsOf,
  inlined,
  type METHODS,
  operationsOf,
  referencesOf,
  registeredRoutes,
  resolveReference,
} from '../helpers/openapi.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const COMMITTED = path.resolve(import.meta.dirname, '../../openapi/learning.json')
/** What the document may leave out: itself, its pages, and the second name of the socket. */
const UNDESCRIBED = /^get (\/docs(\/.*)?|\/redoc(\/.*)?|\/v1\/openapi\.json|\/ws)$/

let server: TestServer
let document: OpenAPIV3.Document
let operations: readonly Described[]
beforeAll(async () => {
  server = await startTestServer()
  document = documentOf(server.app)
  operations = operationsOf(document)
})
afterAll(() => server.close())

/** The document itself can be had without end and without refusal. */
const canRefuse = ({ path: template }: Described) => template.startsWith('/v1/') && template !== '/v1/openapi.json'
const nameOf = ({ method, path: template }: Described) => `${method} ${template}`
const faulty = (isFaulty: (described: Described) => boolean) => operations.filter(isFaulty).map(nameOf)

describe('the OpenAPI document', () => {
  it('is served as it was committed (npm run openapi writes it)', async () => {
    const served = await server.api.get('/v1/openapi.json')
    expect([served.status, served.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    expect(`${JSON.stringify(served.body, undefined, 2)}\n`).toBe(readFileSync(COMMITTED, 'utf8'))
  })

  it('is OpenAPI 3.0 with a title, a version, and a description of every tag used', () => {
    expect(document.openapi).toMatch(/^3\.0\.\d$/)
    expect([document.info.title, document.info.version]).toEqual(['BrainSpark API', expect.stringMatching(/^\d+\.\d+\.\d+$/)])
    const described = new Set(document.tags?.filter((tag) => tag.description).map((tag) => tag.name))
    expect(faulty(({ operation }) => !operation.tags?.length || !operation.tags.every((tag) => described.has(tag)))).toEqual([])
  })

  it('refers to nothing that is not there', () => {
    const references = referencesOf(document)
    expect(references.length).toBeGreaterThan(0)
    expect([...new Set(references.filter(({ reference }) => resolveReference(document, reference) === undefined).map(({ reference }) => reference))]).toEqual(
      [],
    )
  })

  it('holds every route of the app and no other', () => {
    const described = new Set(operations.map(nameOf))
    const registered = registeredRoutes(server.app)
    expect(registered).toContain('post /v1/conversations/{conversation_id}/messages')
    expect(registered.filter((route) => !described.has(route) && !UNDESCRIBED.test(route))).toEqual([])
    expect([...described].filter((route) => !registered.includes(route))).toEqual([])
  })

  it('says of every operation what it does, under an id of its own', () => {
    expect(faulty(({ operation }) => !operation.summary)).toEqual([])
    expect(faulty(({ operation }) => !/^[a-z][A-Za-z0-9]+$/.test(operation.operationId ?? ''))).toEqual([])
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length)
  })

  it('says of every operation how it succeeds and, under /v1, how it refuses', () => {
    expect(faulty(({ operation }) => !Object.keys(operation.responses).some((status) => /^(101|2\d\d)$/.test(status)))).toEqual([])
    const refusals = ({ operation }: Described) => Object.entries(operation.responses).filter(([status]) => Number(status) >= 400)
    expect(faulty((described) => canRefuse(described) && refusals(described).length === 0)).toEqual([])
    for (const described of operations) {
      for (const [status, response] of refusals(described)) {
        if (described.path === '/readyz') continue
        const { content, description } = inlined(document, response) as OpenAPIV3.ResponseObject
        const schema = content?.['application/json']?.schema as OpenAPIV3.SchemaObject | undefined
        expect([nameOf(described), status, schema?.required]).toEqual([nameOf(described), status, ['error']])
        expect(description).not.toBe('')
        for (const { value } of Object.values(content?.['application/json']?.examples ?? {}) as OpenAPIV3.ExampleObject[]) {
          expect([nameOf(described), status, faultsOf(document, schema as OpenAPIV3.SchemaObject, value)]).toEqual([nameOf(described), status, []])
        }
      }
    }
  })

  it('tells of 401, 403, 429 and the body faults exactly where they can happen', () => {
    const lacks = (status: string) => (described: Described) => !(status in described.operation.responses)
    const isGuarded = ({ operation }: Described) => (operation.security?.length ?? 0) > 0
    expect(faulty((described) => isGuarded(described) === lacks('401')(described) && !/login|oauth|refresh/.test(described.path))).toEqual([])
    expect(faulty((described) => canRefuse(described) && lacks('429')(described))).toEqual([])
    const takesBody = ({ operation }: Described) => operation.requestBody !== undefined
    for (const status of ['400', '413', '415']) expect(faulty((described) => takesBody(described) && lacks(status)(described))).toEqual([])
  })

  it('declares every parameter of a path, required, and of the right format', () => {
    for (const { path: template, operation } of operations) {
      const inPath = [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const declared = (operation.parameters ?? []).flatMap((parameter) => ('in' in parameter && parameter.in === 'path' ? [parameter] : []))
      expect(declared.map(({ name }) => name).sort()).toEqual(inPath.sort())
      expect(declared.filter(({ required }) => required !== true)).toEqual([])
    }
  })

  it('uses the words of OpenAPI 3.0 schemas alone', () => {
    const foreign = ['const', '$schema', '$defs', '$id', 'examples', 'propertyNames', 'patternProperties', 'if', 'prefixItems', 'contentEncoding']
    const found: string[] = []
    const visit = (node: unknown, place: string): void => {
      if (!(node instanceof Object)) return
      const schema = node as Record<string, unknown>
      if (Array.isArray(schema.type) || schema.type === 'null') found.push(`${place}/type`)
      if (typeof schema.exclusiveMinimum === 'number' || typeof schema.exclusiveMaximum === 'number') found.push(`${place}/exclusive`)
      if (schema.type === 'array' && schema.items === undefined) found.push(`${place}/items`)
      for (const word of foreign) if (word in schema && !place.endsWith('/properties')) found.push(`${place}/${word}`)
      for (const [key, child] of Object.entries(schema)) if (key !== 'example' && key !== 'enum') visit(child, `${place}/${key}`)
    }
    visit(document.components?.schemas, '#/schemas')
    for (const { operation, ...named } of operations) {
      const bodies = [operation.requestBody, ...Object.values(operation.responses)] as (OpenAPIV3.ResponseObject | undefined)[]
      for (const body of bodies) for (const media of Object.values(body?.content ?? {})) visit(media.schema, nameOf({ operation, ...named }))
      for (const parameter of operation.parameters ?? [])
        if ('schema' in parameter) visit(parameter.schema, `${nameOf({ operation, ...named })} ${parameter.name}`)
    }
    expect(found).toEqual([])
  })

  it('gives examples that its schemas accept', () => {
    const faults: string[] = []
    for (const described of operations) {
      const request = described.operation.requestBody as OpenAPIV3.RequestBodyObject | undefined
      const schema = request?.content['application/json']?.schema
      const { example } = (schema ? inlined(document, schema) : {}) as OpenAPIV3.SchemaObject
      if (schema && example) faults.push(...faultsOf(document, schema, example).map((fault) => `${nameOf(described)} ${fault}`))
    }
    for (const [name, schema] of Object.entries(document.components?.schemas ?? {})) {
      const { example } = schema as OpenAPIV3.SchemaObject
      if (example) faults.push(...faultsOf(document, schema, example).map((fault) => `${name} ${fault}`))
    }
    expect(faults).toEqual([])
  })
})

describe('the schemas of the document', () => {
  /** The faults of an answer by what the document says of its operation and status. */
  function faultsOfAnswer(method: (typeof METHODS)[number], template: string, { status, body, headers, text }: ApiResponse): string[] {
    const operation = document.paths[template]?.[method]
    const response = operation?.responses[status]
    if (!response) return [`${method} ${template}: ${status} is not in the document`]
    const { content, headers: promised } = inlined(document, response) as OpenAPIV3.ResponseObject
    const missing = Object.keys(promised ?? {}).filter((name) => !/Idempotency-Replayed/.test(name) && headers[name.toLowerCase()] === undefined)
    const schema = content?.['application/json']?.schema
    const faults = schema ? faultsOf(document, schema, body) : text === '' || content ? [] : ['a body without a schema']
    return [...missing.map((name) => `header ${name} is missing`), ...faults].map((fault) => `${method} ${template} ${status}: ${fault}`)
  }

  it('describe what a family gets from its first day to its last', async () => {
    const { api } = server
    const family: Family = await makeFamily(api)
    const as = { token: family.token, child: family.childId }
    const conversation = await startConversation(api, family)
    const inConversation = `/v1/conversations/${conversation}`
    const registration = { email: `${newId()}@example.com`, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS }
    const child = '/v1/children/{child_id}'
    const said = await takeTurn(api, family, conversation, 'Why do stars twinkle?')
    const growth = `/v1/dashboard/children/${family.childId}/growth`
    const dismissed = { ...as, body: { skill: 'critical_thinking' } }
    const answers: [(typeof METHODS)[number], string, ApiResponse][] = [
      ['post', '/v1/auth/register', await api.post('/v1/auth/register', { body: registration })],
      ['post', '/v1/auth/login', await api.post('/v1/auth/login', { body: { email: family.email, password: PASSWORD } })],
      ['post', '/v1/auth/refresh', await api.post('/v1/auth/refresh', { body: { refresh_token: family.refreshToken, rotate: true } })],
      ['get', '/v1/auth/sessions', await api.get('/v1/auth/sessions', as)],
      ['get', '/v1/parents/me', await api.get('/v1/parents/me', as)],
      ['patch', '/v1/parents/me', await api.patch('/v1/parents/me', { ...as, body: { display_name: 'Alex P.' } })],
      ['post', '/v1/children', await api.post('/v1/children', { ...as, body: { name: 'Noah', birth_date: '2016-05-15' } })],
      ['get', child, await api.get(`/v1/children/${family.childId}`, as)],
      ['patch', child, await api.patch(`/v1/children/${family.childId}`, { ...as, body: { settings: { bedtime_start: '19:30', bedtime_end: '07:00' } } })],
      ['post', `${child}/activate`, await api.post(`/v1/children/${family.childId}/activate`, { ...as, body: {} })],
      ['get', '/v1/topics', await api.get('/v1/topics', as)],
      ['get', '/v1/topics/{topic_id}', await api.get(`/v1/topics/${TOPIC.blackHoles}`, as)],
      ['get', '/v1/topics/{topic_id}', await api.get(`/v1/topics/${TOPIC.space}`, { token: family.token })],
      ['get', '/v1/constellation', await api.get('/v1/constellation', as)],
      ['post', '/v1/conversations', await api.post('/v1/conversations', { ...as, body: { topic_id: TOPIC.animals } })],
      ['post', '/v1/conversations/{conversation_id}/messages', said],
      ['post', '/v1/conversations/{conversation_id}/messages', await takeTurn(api, family, conversation, 1)],
      ['get', '/v1/conversations/{conversation_id}/messages', await api.get(`${inConversation}/messages?limit=2`, as)],
      ['get', '/v1/dashboard/children/{child_id}/growth', await api.get(growth, as)],
      [
        'post',
        '/v1/dashboard/children/{child_id}/growth/{message_id}/dismiss',
        await api.post(`${growth}/${said.body.data.user_message.id}/dismiss`, dismissed),
      ],
      ['get', '/v1/dashboard/children/{child_id}/growth', await api.get(growth, as)],
      ['post', '/v1/conversations/{conversation_id}/end', await api.post(`${inConversation}/end`, as)],
      ['delete', child, await api.delete(`/v1/children/${family.childId}`, as)],
      ['post', '/v1/auth/logout', await api.post('/v1/auth/logout', as)],
      ['get', '/livez', await api.get('/livez')],
      ['get', '/readyz', await api.get('/readyz')],
      ['get', '/.well-known/jwks.json', await api.get('/.well-known/jwks.json')],
    ]
    expect(answers.filter(([, , { status }]) => status >= 300).map(([, template, { text }]) => [template, text])).toEqual([])
    expect(answers.flatMap(([method, template, answer]) => faultsOfAnswer(method, template, answer))).toEqual([])
  })

  it('describe what every operation under /v1 answers to a caller without a token and to a wrong body', async () => {
    const { api } = server
    const family = await makeFamily(api)
    const faults: string[] = []
    for (const { method, path: template, operation } of operations) {
      if (!template.startsWith('/v1/') || '101' in operation.responses) continue
      const verb = method.toUpperCase() as 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
      const url = template
        .replace('{child_id}', family.childId)
        .replace('{provider}', 'google')
        .replace(/\{\w+\}/g, newId())
      const body = operation.requestBody ? { body: { unknown_field: 1 } } : {}
      for (const answer of [await api.send(verb, url, body), await api.send(verb, url, { ...body, token: family.token, child: newId() })]) {
        if (answer.status < 400) continue
        expect(Object.keys(ERRORS)).toContain(answer.body.error.code)
        const isCounted = answer.headers['x-ratelimit-limit'] !== undefined
        faults.push(...faultsOfAnswer(method, template, answer).filter((fault) => isCounted || !fault.includes('X-RateLimit')))
      }
    }
    expect(faults).toEqual([])
  })
})

describe('the pages of the document', () => {
  const ALLOWED = new Set(["'none'", "'self'", 'data:', 'blob:'])
  const pages = ['/docs', '/docs/', '/docs/static/swagger-initializer.js', '/redoc', '/redoc/start.js']

  it.each(pages)('%s names no other host', async (page) => {
    const { status, text } = await server.api.get(page)
    expect(status).toBe(200)
    const hosts = [...text.matchAll(/(?:https?:|wss?:)?\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)/gi)].map((match) => match[1])
    // Swagger UI credits an answer there in a comment.
    expect(hosts.filter((host) => host !== 'stackoverflow.com')).toEqual([])
  })

  // Attack: a script or style from elsewhere, or one written into the page, reads the token that was typed into it.
  it.each([...pages, '/docs/static/swagger-ui-bundle.js', '/redoc/redoc.standalone.js'])(
    '%s may load nothing from elsewhere and evaluate nothing',
    async (page) => {
      const { status, headers } = await server.api.get(page)
      expect(status).toBe(200)
      const policy = String(headers['content-security-policy'])
        .split(';')
        .map((directive) => directive.trim().split(/\s+/))
        .filter(([name]) => name)
      const directives = new Map(policy.map(([name, ...sources]) => [name, sources]))
      expect(directives.has('default-src')).toBe(true)
      for (const name of ['base-uri', 'frame-ancestors']) expect([name, directives.has(name)]).toEqual([name, true])
      const foreign = policy.flatMap(([name, ...sources]) =>
        sources.filter((source) => !ALLOWED.has(source) && !source.startsWith("'sha256-") && !(name === 'style-src' && source === "'unsafe-inline'")),
      )
      expect(foreign).toEqual([])
      expect((directives.get('script-src') ?? directives.get('default-src'))?.filter((source) => source === 'data:' || source === 'blob:')).toEqual([])
      expect(headers['x-content-type-options']).toBe('nosniff')
    },
  )

  it('serves every file that the pages name', async () => {
    for (const page of ['/docs', '/redoc']) {
      const { text } = await server.api.get(page)
      const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string)
      expect(files.length).toBeGreaterThan(1)
      for (const file of files) {
        const answer = await server.api.get(file)
        expect([file, answer.status, answer.text.length > 0]).toEqual([file, 200, true])
      }
    }
    expect((await server.api.get('/docs/static/swagger-initializer.js')).text).toContain('/v1/openapi.json')
    expect((await server.api.get('/redoc/start.js')).text).toContain("'/v1/openapi.json'")
  })

  it('forbids everything to everything else', async () => {
    const { headers } = await server.api.get('/v1/topics')
    expect(headers['content-security-policy']).toBe("default-src 'none';frame-ancestors 'none';base-uri 'none'")
  })
})
