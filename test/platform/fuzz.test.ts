import fc from 'fast-check'
import type { OpenAPIV3 } from 'openapi-types'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ERRORS } from '../../src/platform/http/errors.ts'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { type Family, makeFamily, startConversation } from '../helpers/family.ts'
import { type Described, documentOf, inlined, operationsOf } from '../helpers/openapi.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const RUNS = 150
/** Every operation gets its share of the runs, and at least four. */
const runsEach = (operations: readonly Described[]) => ({ numRuns: Math.max(4, Math.ceil(RUNS / operations.length)) })

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await relieved(server.app)
})
afterAll(() => server.close())

/** Values that have broken servers before, and ordinary ones. */
const nasty = fc.oneof(
  fc.constantFrom('', ' ', '\0', '\ud800', '__proto__', 'constructor', '1e999', '../..', "' OR 1=1 --", 'x'.repeat(2_000), '\u202e', '2026-02-30', '24:00'),
  fc.constantFrom(0, -1, 1.5, 2 ** 31, 2 ** 53, 1e308, -1e308, true, false, null),
  fc.constantFrom<unknown>([], {}, [[]], [null], { length: 1 }, { toString: 'x' }),
  fc.uuid(),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.jsonValue({ maxDepth: 3 }),
)

/** The example of a body with some of its fields changed, dropped or added. */
function mutationsOf(example: Record<string, unknown>): fc.Arbitrary<unknown> {
  const fields = [...Object.keys(example), 'unknown_field', '__proto__', 'constructor']
  return fc.array(fc.tuple(fc.constantFrom(...fields), fc.option(nasty)), { minLength: 1, maxLength: 4 }).map((changes) => {
    const body = new Map(Object.entries(example))
    for (const [field, value] of changes) {
      if (value === null && body.has(field)) body.delete(field)
      else body.set(field, value)
    }
    return Object.fromEntries(body)
  })
}

/** A body of the right shape, made up from the schema of the operation. */
function exampleOf({ operation }: Described): Record<string, unknown> {
  const content = (operation.requestBody as OpenAPIV3.RequestBodyObject | undefined)?.content['application/json']
  const schema = content?.schema && (inlined(documentOf(server.app), content.schema) as OpenAPIV3.SchemaObject)
  if (schema?.example) return schema.example as Record<string, unknown>
  return Object.fromEntries(Object.keys(schema?.properties ?? {}).map((name) => [name, 'example']))
}

function expectCatalogued(response: ApiResponse): void {
  expect(response.status, response.text).toBeLessThan(500)
  if (response.status < 400) return
  const { error } = response.body
  expect(Object.keys(ERRORS), response.text).toContain(error.code)
  expect(error.request_id, response.text).toBe(response.headers['x-request-id'])
  expect(typeof error.message).toBe('string')
  for (const detail of error.details ?? []) expect([typeof detail.field, typeof detail.message], response.text).toEqual(['string', 'string'])
}

/** Fills the path: ids of the family mostly, strangers sometimes. */
function pathOf(template: string, ids: Readonly<Record<string, string>>, stray: string | null): string {
  return template.replace(/\{(\w+)\}/g, (_match, name: string) => encodeURIComponent(stray ?? ids[name] ?? newId()))
}

// Attack: bodies of the wrong shape find the line that trusts its input; the 500 that follows is a way to take the server down.
it('answers any body on any POST or PATCH route without a server fault, refusals in the one shape', async () => {
  const { api, app } = server
  const family = await makeFamily(api)
  const leaving: Family = await makeFamily(api)
  const ids = { child_id: family.childId, conversation_id: await startConversation(api, family), provider: 'google' }
  const toEnd = await startConversation(api, family)
  const operations = operationsOf(documentOf(app)).filter(({ method }) => method === 'post' || method === 'patch')
  expect(operations.length).toBeGreaterThan(15)

  for (const described of operations) {
    const { method, path } = described
    const cases = fc.record({
      body: fc.oneof({ arbitrary: mutationsOf(exampleOf(described)), weight: 3 }, { arbitrary: nasty, weight: 1 }),
      stray: fc.option(fc.oneof(fc.uuid(), fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 })), { freq: 6 }),
      key: fc.option(fc.oneof(fc.uuid(), fc.string({ maxLength: 20 })), { freq: 3 }),
    })
    const caller = path.endsWith('/logout') ? leaving : family
    const named = path.endsWith('/end') ? { ...ids, conversation_id: toEnd } : ids
    await fc.assert(
      fc.asyncProperty(cases, async ({ body, stray, key }) => {
        const response = await api.send(method === 'post' ? 'POST' : 'PATCH', pathOf(path, named, stray), {
          token: caller.token,
          child: caller.childId,
          body: JSON.stringify(body) ?? '',
          headers: key === null ? {} : { 'idempotency-key': key },
        })
        expectCatalogued(response)
      }),
      runsEach(operations),
    )
  }
  expect(server.logs.filter((line) => JSON.parse(line).level === 'error')).toEqual([])
})

it('answers bytes that are no JSON on any POST or PATCH route with a refusal in the one shape', async () => {
  const { api, app } = server
  const family = await makeFamily(api)
  const operations = operationsOf(documentOf(app)).filter(({ method, operation }) => (method === 'post' || method === 'patch') && operation.requestBody)
  const cases = fc.record({
    body: fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.json().map((json) => json.slice(0, -1)),
      fc.json().map((json) => `${json}]`),
    ),
    type: fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded'),
  })
  for (const { method, path } of operations) {
    await fc.assert(
      fc.asyncProperty(cases, async ({ body, type }) => {
        const response = await api.send(method === 'post' ? 'POST' : 'PATCH', pathOf(path, { child_id: family.childId }, null), {
          token: family.token,
          child: family.childId,
          body,
          headers: { 'content-type': type },
        })
        expectCatalogued(response)
      }),
      runsEach(operations),
    )
  }
})

it('answers any query on any GET route without a server fault, refusals in the one shape', async () => {
  const { api, app } = server
  const family = await makeFamily(api)
  const ids = { child_id: family.childId, conversation_id: await startConversation(api, family) }
  const operations = operationsOf(documentOf(app)).filter(({ method }) => method === 'get')
  const value = fc.oneof(
    fc.constantFrom('', '0', '-1', '1', '101', '1e400', 'null', '[]', '\0', '2026-02-30', newId()),
    fc.oneof(fc.integer(), fc.maxSafeInteger()).map((seq) => Buffer.from(JSON.stringify(seq)).toString('base64url')),
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
  for (const { path, operation } of operations) {
    const names = (operation.parameters ?? []).flatMap((parameter) => ('in' in parameter && parameter.in === 'query' ? [parameter.name] : []))
    const query = fc.dictionary(fc.constantFrom(...names, 'unknown', '__proto__'), value, { maxKeys: 3 })
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const parameters = Object.entries(asked).map((pair) => pair.map((part) => encodeURIComponent(part)).join('='))
        const response = await api.get(`${pathOf(path, ids, null)}?${parameters.join('&')}`, { token: family.token, child: family.childId })
        expectCatalogued(response)
      }),
      runsEach(operations),
    )
  }
})
