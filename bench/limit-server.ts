// The least that could answer these requests: Fastify, an RS256 verification, the least SQL, JSON.stringify. No limits,
// no validation, no rules. What a request of the real server costs is compared with this.
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import pg from 'pg'

const [databaseUrl = '', publicKey = '', topicsJson = '[]'] = [process.env.DATABASE_URL, process.env.JWT_PUBLIC_KEY, process.env.TOPICS]
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
const topics = JSON.parse(topicsJson) as unknown[]
const app = Fastify()
await app.register(jwt, { secret: { public: publicKey }, verify: { algorithms: ['RS256'] } })

const CHILD = 'SELECT name, restricted_topics FROM children WHERE id = $1 AND parent_id = $2'
const PARENT = `
  SELECT a.email, p.display_name, p.timezone, p.settings, p.created_at,
    (SELECT json_agg(json_build_object('id', c.id, 'name', c.name, 'avatar_id', c.avatar_id)) FROM children c WHERE c.parent_id = p.id) AS children
  FROM parents p JOIN accounts a ON a.id = p.id WHERE p.id = $1`
const TURN = `
  WITH c AS (UPDATE conversations SET next_seq = next_seq + 2, child_turns = child_turns + 1 WHERE id = $1 AND child_id = $2 RETURNING id, child_id, next_seq),
  m AS (INSERT INTO messages (id, conversation_id, child_id, seq, role, content, created_at)
    SELECT x.id, c.id, c.child_id, c.next_seq - x.back, x.role, x.content, now()
    FROM c, (VALUES (gen_random_uuid(), 2, 'user', $3), (gen_random_uuid(), 1, 'assistant', $4)) AS x(id, back, role, content) RETURNING id, role)
  SELECT json_agg(m) AS messages FROM m`

interface Verified {
  readonly sub: string
}
const callerOf = (authorization: string | undefined): Verified => app.jwt.verify<Verified>((authorization ?? '').slice('Bearer '.length))
const REPLY = 'Planets are amazing! They are big round worlds that go around the Sun. Some are rocky like Earth, and some are made of gas like Jupiter!'
const send = (value: unknown) => JSON.stringify({ data: value, meta: {} })

app.get('/v1/topics', async (request, reply) => {
  const { sub } = callerOf(request.headers.authorization)
  await pool.query({ name: 'child', text: CHILD, values: [request.headers['x-child-id'], sub] })
  return reply.type('application/json').send(send(topics))
})
app.get('/v1/parents/me', async (request, reply) => {
  const { sub } = callerOf(request.headers.authorization)
  const { rows } = await pool.query({ name: 'parent', text: PARENT, values: [sub] })
  return reply.type('application/json').send(send(rows[0]))
})
app.post<{ Params: { id: string }; Body: { choice_index: number } }>('/v1/conversations/:id/messages', async (request, reply) => {
  callerOf(request.headers.authorization)
  const values = [request.params.id, request.headers['x-child-id'], `choice ${request.body.choice_index}`, REPLY]
  const { rows } = await pool.query({ name: 'turn', text: TURN, values })
  return reply.status(201).type('application/json').send(send(rows[0]))
})

process.stdout.write(`ready at ${await app.listen({ host: '127.0.0.1', port: 0 })}\n`)
