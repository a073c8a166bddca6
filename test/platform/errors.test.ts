import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../../src/platform/http/errors.ts'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { expectRefusal, type Family, makeFamily, registerParent, startConversation, takeTurn } from '../helpers/family.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const CHILD = { name: 'Emma', birth_date: '2018-05-15' }
const ERROR_FIELDS = new Set(['code', 'message', 'details', 'reason', 'retry_after', 'child_message', 'child_animation', 'request_id'])

let server: TestServer
let family: Family
beforeAll(async () => {
  server = await startTestServer()
  await relieved(server.app)
  family = await makeFamily(server.api)
})
afterAll(() => server.close())

const postChild = (body: unknown, headers?: Record<string, string>) => server.api.post('/v1/children', { token: family.token, body, headers })

/** Section 8.1 and nothing else. */
function expectShape({ body, headers, text: raw }: ApiResponse): void {
  expect(Object.keys(body), raw).toEqual(['error'])
  for (const field of Object.keys(body.error)) expect(ERROR_FIELDS, raw).toContain(field)
  expect(headers['x-request-id']).toBe(body.error.request_id)
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
}

describe('the shape of a refusal', () => {
  it('has code, message, details and request_id, and nothing of the machinery', async () => {
    const refused = await postChild({ name: '', birth_date: '2018-05-15' })
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'name')
    expectShape(refused)
    expect(refused.body.error.message).toBe('Invalid input data')
    for (const detail of refused.body.error.details) expect(Object.keys(detail).sort()).toEqual(['field', 'message'])
    expect(Object.keys(refused.body.error).sort()).toEqual(['code', 'details', 'message', 'request_id'])
  })

  it('names every faulty field at once, nested ones by their path', async () => {
    const refused = await postChild({ name: 7, birth_date: 'soon', settings: { daily_time_limit_minutes: 1441, bedtime_start: '25:00' }, interests: ['ok', 3] })
    const fields = refused.body.error.details.map((detail: { field: string }) => detail.field).sort()
    expect(refused.status).toBe(400)
    expect(fields).toEqual(['birth_date', 'interests.1', 'name', 'settings.bedtime_start', 'settings.daily_time_limit_minutes'])
  })

  it('speaks to the child on child endpoints alone', async () => {
    const onChildEndpoint = await server.api.get('/v1/constellation')
    expectRefusal(onChildEndpoint, 401, 'UNAUTHORIZED')
    expect(onChildEndpoint.body.error).toMatchObject({ child_message: ERRORS.UNAUTHORIZED.child, child_animation: ERRORS.UNAUTHORIZED.animation })
    for (const path of ['/v1/parents/me', `/v1/children/${family.childId}`, '/v1/auth/sessions', '/v1/nowhere']) {
      const { error } = (await server.api.get(path)).body
      expect([path, 'child_message' in error, 'child_animation' in error]).toEqual([path, false, false])
    }
  })

  it.each([
    ['VALIDATION_ERROR', 400, () => server.api.post('/v1/conversations', { token: family.token, child: family.childId, body: {} })],
    ['UNAUTHORIZED', 401, () => server.api.get('/v1/topics', { token: 'a.b.c' })],
    ['CHILD_ACCESS_DENIED', 403, () => server.api.get('/v1/topics', { token: family.token, child: newId() })],
    ['NOT_FOUND', 404, () => server.api.get(`/v1/topics/${newId()}`, { token: family.token, child: family.childId })],
  ] as const)('gives %s its words and animation for the child', async (code, status, ask) => {
    const refused = await ask()
    expectRefusal(refused, status, code)
    expectShape(refused)
    expect(refused.body.error).toMatchObject({ child_message: ERRORS[code].child, child_animation: ERRORS[code].animation })
  })

  it('asks for a bearer token with every 401', async () => {
    const refused = await server.api.get('/v1/parents/me')
    expectRefusal(refused, 401, 'UNAUTHORIZED')
    expect(refused.headers['www-authenticate']).toBe('Bearer')
  })
})

describe('requests that cannot be read', () => {
  it.each(['{"name":', '{name:1}', 'null x', '[1,]', '"', '\u0000', '{"a":1}{"b":2}', '\ufeff{}'.repeat(2)])('refuses malformed JSON %j', async (body) => {
    const refused = await postChild(body)
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'body')
    expectShape(refused)
  })

  it.each(['[]', '"text"', '7', 'null', 'true'])('refuses %s where an object belongs', async (body) => {
    expectRefusal(await postChild(body), 400, 'VALIDATION_ERROR', 'body')
  })

  it('refuses a missing body where one is needed', async () => {
    expectRefusal(await server.api.post('/v1/children', { token: family.token }), 400, 'VALIDATION_ERROR')
  })

  // Attack: a null byte ends a C string early and makes PostgreSQL refuse the statement: a 500 at will.
  it.each([
    ['name', { ...CHILD, name: 'Em\0ma' }],
    ['interests.1', { ...CHILD, interests: ['space', '\0'] }],
  ])('refuses a null byte in %s', async (field, body) => {
    expectRefusal(await postChild(body), 400, 'VALIDATION_ERROR', field)
  })

  // Attack: half a surrogate pair cannot be stored as UTF-8, and becomes something else where it is replaced silently.
  it.each(['\ud800', 'Em\udc00ma', '\udc00\ud800'])('refuses the lone surrogate in %j', async (name) => {
    expectRefusal(await postChild({ ...CHILD, name }), 400, 'VALIDATION_ERROR', 'name')
  })

  it('keeps an emoji written as an escaped surrogate pair', async () => {
    const created = await postChild('{"name":"\\ud83d\\ude80 Emma","birth_date":"2018-05-15"}')
    expect(created.status, created.text).toBe(201)
    const row = await server.deps.db.prisma.child.findUniqueOrThrow({ where: { id: created.body.data.id } })
    expect(row.name).toBe('🚀 Emma')
  })

  it('refuses a null byte and a lone surrogate in the name of a field', async () => {
    expectRefusal(await postChild('{"name":"Emma","birth_date":"2018-05-15","\\u0000":1}'), 400, 'VALIDATION_ERROR')
    expectRefusal(await postChild('{"name":"Emma","birth_date":"2018-05-15","\\ud800":1}'), 400, 'VALIDATION_ERROR')
  })

  // Attack: "__proto__" or "constructor.prototype" in a body changes the prototype of every object of the process.
  it.each([
    '{"name":"Emma","birth_date":"2018-05-15","__proto__":{"polluted":true}}',
    '{"name":"Emma","birth_date":"2018-05-15","settings":{"__proto__":{"polluted":true}}}',
    '{"name":"Emma","birth_date":"2018-05-15","\\u005f_proto__":{"polluted":true}}',
    '{"name":"Emma","birth_date":"2018-05-15","constructor":{"prototype":{"polluted":true}}}',
    '{"name":"Emma","birth_date":"2018-05-15","constructor":1}',
  ])('refuses prototype pollution by %s', async (body) => {
    expectRefusal(await postChild(body), 400, 'VALIDATION_ERROR')
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  // Attack: tens of thousands of nested arrays overflow the stack of whatever walks them.
  it('refuses a body nested thirty thousand deep', async () => {
    const nest = (inner: string) => `{"name":${'['.repeat(30_000)}${inner}${']'.repeat(30_000)},"birth_date":"2018-05-15"}`
    expectRefusal(await postChild(nest('')), 400, 'VALIDATION_ERROR')
    expectRefusal(await postChild(nest('"\\u0041"')), 400, 'VALIDATION_ERROR')
  })

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp', 'nonsense'])(
    'refuses %s with 415',
    async (type) => {
      const refused = await postChild('name=Emma', { 'content-type': type })
      expectRefusal(refused, 415, 'VALIDATION_ERROR')
      expectShape(refused)
    },
  )

  it('reads JSON with a charset', async () => {
    expect((await postChild(CHILD, { 'content-type': 'application/json; charset=utf-8' })).status).toBe(201)
  })

  it('refuses a body over 64 KiB with 413 and reads one of exactly 64 KiB', async () => {
    const bodyOf = (bytes: number) => JSON.stringify({ ...CHILD, name: 'x' }).padEnd(bytes, ' ')
    expect((await postChild(bodyOf(64 * 1024))).status).toBe(201)
    const refused = await postChild(bodyOf(64 * 1024 + 1))
    expectRefusal(refused, 413, 'VALIDATION_ERROR')
    expectShape(refused)
  })

  // Attack: a body sent in chunks announces no length, to get past a check of Content-Length alone.
  it('refuses 64 KiB and more sent in chunks', async () => {
    const { hostname, port } = new URL(await server.listen())
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const chunk = ' '.repeat(16 * 1024)
    socket.write(`POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`)
    for (let sent = 0; sent < 5; sent += 1) socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('"code":"VALIDATION_ERROR"')
  })
})

describe('what does not exist or does not fit', () => {
  it.each([
    ['GET', '/v1/nowhere'],
    ['GET', '/'],
    ['POST', '/v1'],
    ['PUT', '/v1/parents/me'],
    ['DELETE', '/v1/topics'],
    ['GET', '/v2/topics'],
    ['GET', '//v1/topics'],
    ['GET', '/../../etc/passwd'],
  ] as const)('answers %s %s with 404 in the one shape', async (method, path) => {
    const refused = await server.api.send(method, path, { token: family.token, child: family.childId })
    expectRefusal(refused, 404, 'NOT_FOUND')
    expectShape(refused)
  })

  it('answers an unknown route alike whatever the type of its body is', async () => {
    expectRefusal(await server.api.post('/v1/nowhere', { body: '<xml/>', headers: { 'content-type': 'text/xml' } }), 404, 'NOT_FOUND')
  })

  // Attack: percent signs that decode to nothing reach the router before any hook; its own page has another shape and quotes the path.
  it.each(['/v1/children/%', '/v1/children/%zz', '/v1/topics/%c3%28', `/v1/topics/${'a'.repeat(200)}`])(
    'refuses the path %s in the one shape',
    async (path) => {
      const refused = await server.api.get(path, { token: family.token, child: family.childId })
      expect([400, 404, 414], refused.text).toContain(refused.status)
      expect(refused.body.error.request_id, refused.text).toMatch(/^[0-9a-f-]{36}$/)
      expectShape(refused)
      expect(refused.text).not.toContain(path.slice(-10))
    },
  )

  it.each(['not-a-uuid', '1', '770e8400-e29b-41d4-a716-44665544000', '770e8400-e29b-41d4-a716-44665544000g', "'%20OR%201=1--", '%00'])(
    'refuses %s where a UUID belongs',
    async (id) => {
      const as = { token: family.token, child: family.childId }
      expectRefusal(await server.api.get(`/v1/topics/${id}`, as), 400, 'VALIDATION_ERROR', 'topic_id')
      expectRefusal(await server.api.get(`/v1/children/${id}`, as), 400, 'VALIDATION_ERROR', 'child_id')
      expectRefusal(await server.api.get(`/v1/conversations/${id}/messages`, as), 400, 'VALIDATION_ERROR', 'conversation_id')
      expectRefusal(await server.api.post(`/v1/conversations/${id}/messages`, { ...as, body: { choice_index: 0 } }), 400, 'VALIDATION_ERROR', 'conversation_id')
      expectRefusal(await server.api.delete(`/v1/auth/sessions/${id}`, as), 400, 'VALIDATION_ERROR', 'session_id')
    },
  )

  it('refuses a bad UUID in a body', async () => {
    const refused = await server.api.post('/v1/conversations', { token: family.token, child: family.childId, body: { topic_id: 'space' } })
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'topic_id')
  })

  it('refuses a child header that is missing or no UUID', async () => {
    expectRefusal(await server.api.get('/v1/constellation', { token: family.token }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
    expectRefusal(await server.api.get('/v1/constellation', { token: family.token, child: 'emma' }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
  })

  it.each([
    ['POST', '/v1/auth/login', { email: 'a@example.com', password: 'x' }],
    ['POST', '/v1/children', CHILD],
    ['PATCH', '/v1/parents/me', {}],
    ['POST', '/v1/conversations', { topic_id: '770e8400-e29b-41d4-a716-446655440001' }],
  ] as const)('%s %s refuses an unknown field by its name', async (method, path, body) => {
    const refused = await server.api.send(method, path, { token: family.token, child: family.childId, body: { ...body, is_admin: true } })
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'is_admin')
  })

  it('names an unknown field inside an object by its path', async () => {
    const refused = await postChild({ ...CHILD, settings: { sound: true } })
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'settings.sound')
    expect(await server.deps.db.prisma.child.count({ where: { parentId: family.id, name: CHILD.name, createdAt: { gt: new Date(server.clock.now()) } } })).toBe(
      0,
    )
  })

  it('names each unknown field when there are several', async () => {
    const refused = await postChild({ ...CHILD, first_fault: 1, second_fault: 2 })
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'first_fault')
    expectRefusal(refused, 400, 'VALIDATION_ERROR', 'second_fault')
  })

  it('refuses an unknown query parameter by its name', async () => {
    expectRefusal(await server.api.get('/v1/topics?colour=red', { token: family.token }), 400, 'VALIDATION_ERROR', 'colour')
  })
})

describe('pages', () => {
  it.each(['0', '101', '-1', '1.5', 'ten', '', '1e9', 'NaN', 'Infinity', '10&limit=20'])('refuses limit=%s', async (limit) => {
    const own = await makeConversation()
    expectRefusal(await server.api.get(`${own.path}?limit=${limit}`, own.as), 400, 'VALIDATION_ERROR', 'limit')
  })

  it('takes the limits 1 and 100', async () => {
    const own = await makeConversation()
    await takeTurn(server.api, own.family, own.id)
    const one = await server.api.get(`${own.path}?limit=1`, own.as)
    expect([one.status, one.body.data.length, one.body.meta.has_more]).toEqual([200, 1, true])
    const hundred = await server.api.get(`${own.path}?limit=100`, own.as)
    expect([hundred.status, hundred.body.data.length, hundred.body.meta.has_more]).toEqual([200, 3, false])
  })

  // Attack: a cursor made by hand reaches the database as a number it cannot hold, or as an object.
  it.each(['x', '%20', '%00', 'null', '0', '-1', '1.5', '2147483648', '99999999999', '1e300', '"1"', '{"seq":1}', '[1]', '9007199254740993'])(
    'refuses the cursor %s',
    async (value) => {
      const own = await makeConversation()
      const cursors = [encodeURIComponent(value), Buffer.from(value).toString('base64url')]
      for (const cursor of cursors) expectRefusal(await server.api.get(`${own.path}?before=${cursor}`, own.as), 400, 'VALIDATION_ERROR', 'before')
    },
  )

  async function makeConversation() {
    const id = await startConversation(server.api, family)
    return { id, family, path: `/v1/conversations/${id}/messages`, as: { token: family.token, child: family.childId } }
  }
})

describe('X-Request-ID', () => {
  it('echoes a UUID, in header and body, of successes and refusals', async () => {
    const id = newId()
    const headers = { 'x-request-id': id }
    const found = await server.api.get('/v1/parents/me', { token: family.token, headers })
    expect([found.headers['x-request-id'], found.body.meta.request_id]).toEqual([id, id])
    const refused = await server.api.get('/v1/parents/me', { headers })
    expect([refused.headers['x-request-id'], refused.body.error.request_id]).toEqual([id, id])
    const unknown = await server.api.get('/v1/nowhere', { headers })
    expect([unknown.headers['x-request-id'], unknown.body.error.request_id]).toEqual([id, id])
  })

  // Attack: a header of one's own choosing forges lines of the log or of the answer.
  it.each(['req_abc123', `${newId()}-x`, '{"a":1}', '', 'x'.repeat(500)])('makes a new id instead of %j', async (given) => {
    const { headers } = await server.api.get('/livez', { headers: { 'x-request-id': given } })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(headers['x-request-id']).not.toBe(given)
  })

  it('makes a new id for each request', async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await server.api.get('/livez')).headers['x-request-id']))
    expect(new Set(ids).size).toBe(3)
  })
})

it('refuses in the order token, child, shape, existence', async () => {
  const { api } = server
  const stranger = await registerParent(api)
  const path = `/v1/conversations/${newId()}/messages`
  const nonsense = { body: { nonsense: true } }
  expectRefusal(await api.post(path, { ...nonsense, child: family.childId }), 401, 'UNAUTHORIZED')
  expectRefusal(await api.post(path, { ...nonsense, token: stranger.token, child: family.childId }), 403, 'CHILD_ACCESS_DENIED')
  expectRefusal(await api.post(path, { ...nonsense, token: family.token, child: family.childId }), 400, 'VALIDATION_ERROR', 'nonsense')
  expectRefusal(await api.post(path, { body: { choice_index: 0 }, token: family.token, child: family.childId }), 404, 'NOT_FOUND')
})
