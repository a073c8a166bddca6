import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { childToken, createChild, expectRefusal, makeFamily } from '../helpers/family.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

type Verb = 'GET' | 'POST' | 'PATCH' | 'DELETE'
const ROUTES: readonly [Verb, string, unknown][] = [
  ['GET', '/v1/parents/me', undefined],
  ['PATCH', '/v1/parents/me', { display_name: 'Mallory' }],
  ['POST', '/v1/children', { name: 'Mallory', birth_date: '2018-05-15' }],
  ['GET', '/v1/children/:child', undefined],
  ['PATCH', '/v1/children/:child', { name: 'Mallory' }],
  ['DELETE', '/v1/children/:child', undefined],
  ['POST', '/v1/children/:child/activate', { pin: '1234' }],
]
const OF_A_CHILD = ROUTES.filter(([, path]) => path.includes(':child'))

/** What a client can see of an answer besides its request id. */
const seen = ({ status, body }: ApiResponse) => ({ status, error: { ...body.error, request_id: undefined } })

describe('who may do what in a family', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
  })
  afterAll(() => server.close())

  const state = async (familyId: string) => ({
    parent: await server.deps.db.prisma.parent.findUnique({ where: { id: familyId }, include: { children: true } }),
    sessions: await server.deps.db.prisma.session.count({ where: { accountId: familyId } }),
  })

  describe.each(ROUTES)('%s %s', (verb, path, body) => {
    // Attack: a stranger without an account, or with a made-up token, reads or changes a family.
    it.each([
      ['no token', {}],
      ['another scheme', { authorization: 'Basic cGFyZW50OnBhc3N3b3Jk' }],
      ['a made-up token', { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.AA' }],
    ])('answers 401 to %s', async (_what, headers) => {
      const family = await makeFamily(server.api)
      const before = await state(family.id)
      const response = await server.api.send(verb, path.replace(':child', family.childId), { body, headers })
      expectRefusal(response, 401, 'UNAUTHORIZED')
      expect(response.headers['www-authenticate']).toBe('Bearer')
      expect(await state(family.id)).toEqual(before)
    })

    // Attack: a child with the shared tablet opens its own limits, or makes itself a token without the PIN.
    it('answers 403 to a child token', async () => {
      const family = await makeFamily(server.api)
      const token = await childToken(server.api, family)
      const before = await state(family.id)
      expectRefusal(await server.api.send(verb, path.replace(':child', family.childId), { token, body }), 403, 'FORBIDDEN')
      expect(await state(family.id)).toEqual(before)
    })
  })

  describe.each(OF_A_CHILD)('%s %s', (verb, path, body) => {
    // Attack: another parent reaches for a child, or learns from the answer whether an id belongs to one.
    it('answers alike for the child of another family and for none', async () => {
      const [family, stranger] = await Promise.all([makeFamily(server.api), makeFamily(server.api)])
      const before = await state(family.id)
      const foreign = await server.api.send(verb, path.replace(':child', family.childId), { token: stranger.token, body })
      const missing = await server.api.send(verb, path.replace(':child', newId()), { token: stranger.token, body })
      expectRefusal(foreign, 403, 'CHILD_ACCESS_DENIED')
      expect(seen(foreign)).toEqual(seen(missing))
      expect(await state(family.id)).toEqual(before)
    })
  })

  // Attack: a broken body makes validation answer before access is checked, and so tells that the child exists.
  it('checks access before the shape of the body', async () => {
    const [family, stranger] = await Promise.all([makeFamily(server.api), makeFamily(server.api)])
    const path = `/v1/children/${family.childId}`
    expectRefusal(await server.api.patch(path, { token: stranger.token, body: { name: 7 } }), 403, 'CHILD_ACCESS_DENIED')
    expectRefusal(await server.api.patch(path, { body: { name: 7 } }), 401, 'UNAUTHORIZED')
    expectRefusal(await server.api.post(`${path}/activate`, { token: stranger.token, body: { pin: 7 } }), 403, 'CHILD_ACCESS_DENIED')
  })

  // Attack: the `children` claim of an old token keeps a door open after the child has gone.
  it('decides access from the database, not from the token', async () => {
    const family = await makeFamily(server.api)
    const login = await server.api.post('/v1/auth/refresh', { body: { refresh_token: family.refreshToken } })
    const token: string = login.body.data.access_token
    const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString('utf8'))
    expect(claims.children).toEqual([family.childId])
    await server.api.delete(`/v1/children/${family.childId}`, { token: family.token })
    expectRefusal(await server.api.get(`/v1/children/${family.childId}`, { token }), 403, 'CHILD_ACCESS_DENIED')
    const sister = await createChild(server.api, family.token, { name: 'Ada' })
    expect((await server.api.get(`/v1/children/${sister}`, { token })).status).toBe(200)
  })

  it('tells a parent no child of another family', async () => {
    const [family, stranger] = await Promise.all([makeFamily(server.api), makeFamily(server.api)])
    const { children } = (await server.api.get('/v1/parents/me', { token: stranger.token })).body.data
    expect(children.map((child: { id: string }) => child.id)).toEqual([stranger.childId])
    expect(stranger.childId).not.toBe(family.childId)
  })

  describe('X-Child-ID', () => {
    it('is needed with a parent token, and named when it is missing', async () => {
      const family = await makeFamily(server.api)
      const response = await server.api.get('/v1/constellation', { token: family.token })
      expectRefusal(response, 400, 'VALIDATION_ERROR', 'X-Child-ID')
      expect(response.body.error).toMatchObject({ child_message: expect.any(String), child_animation: expect.any(String) })
    })

    it.each(['', 'emma', '1', `${newId()}0`, `${newId()}, ${newId()}`, 'null'])('is refused as %j', async (child) => {
      const family = await makeFamily(server.api)
      expectRefusal(await server.api.get('/v1/constellation', { token: family.token, child }), 400, 'VALIDATION_ERROR', 'X-Child-ID')
    })

    it('may be written in capitals', async () => {
      const family = await makeFamily(server.api)
      expect((await server.api.get('/v1/constellation', { token: family.token, child: family.childId.toUpperCase() })).status).toBe(200)
    })

    // Attack: another parent names a child of this family in the header.
    it('answers alike for the child of another family and for none', async () => {
      const [family, stranger] = await Promise.all([makeFamily(server.api), makeFamily(server.api)])
      const foreign = await server.api.get('/v1/constellation', { token: stranger.token, child: family.childId })
      const missing = await server.api.get('/v1/constellation', { token: stranger.token, child: newId() })
      expectRefusal(foreign, 403, 'CHILD_ACCESS_DENIED')
      expect(seen(foreign)).toEqual(seen(missing))
    })
  })
})
