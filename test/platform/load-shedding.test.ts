import { afterAll, beforeAll, expect, it } from 'vitest'
import { apiOf } from '../helpers/api.ts'
import { expectRefusal, makeFamily, TOPIC } from '../helpers/family.ts'
import { putUnderPressure, relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await relieved(server.app)
})
afterAll(() => server.close())

it('sheds load with 503 and Retry-After while it cannot keep up, and serves again afterwards', async () => {
  const { app } = server
  const family = await makeFamily(server.api)
  const api = apiOf(app, false)
  const as = { token: family.token, child: family.childId }
  await putUnderPressure(app)
  const parent = await api.get('/v1/parents/me', as)
  expectRefusal(parent, 503, 'SERVICE_UNAVAILABLE')
  expect([parent.headers['retry-after'], parent.body.error.retry_after]).toEqual(['5', 5])
  const child = await api.post('/v1/conversations', { ...as, body: { topic_id: TOPIC.space } })
  expectRefusal(child, 503, 'SERVICE_UNAVAILABLE')
  expect(child.body.error.child_message).toMatch(/\w/)
  expect(await server.deps.db.prisma.conversation.count({ where: { childId: family.childId } })).toBe(0)
  await relieved(app)
  expect((await api.get('/v1/parents/me', as)).status).toBe(200)
})

// A liveness probe that fails under load has the process killed, and its load falls on the others.
it('stays alive and measurable while it sheds load', async () => {
  const { app } = server
  const api = apiOf(app, false)
  await putUnderPressure(app)
  const [live, metrics] = [await api.get('/livez'), await api.get('/metrics')]
  expect([live.status, metrics.status]).toEqual([200, 200])
  await relieved(app)
})
