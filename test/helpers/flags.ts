import { newId } from '../../src/platform/ids.ts'
import { type Audience, raiseFlag } from '../../src/safety/flags.ts'
import { type Family, startConversation } from './family.ts'
import type { TestServer } from './server.ts'

export interface Flagged {
  readonly id: string
  readonly conversationId: string
  readonly messageId: string
}

/** Puts a message of the child at the end of a conversation; its id. `withheld` is kept from the family. */
async function say(server: TestServer, { childId }: Family, conversationId: string, role: 'user' | 'assistant', content: string, withheld: boolean) {
  const { prisma } = server.deps.db
  const { nextSeq } = await prisma.conversation.update({ where: { id: conversationId }, data: { nextSeq: { increment: 1 } } })
  const message = { id: newId(), childId, conversationId, seq: nextSeq - 1, role, content, withheld, isFreeForm: role === 'user' }
  await prisma.message.create({ data: { ...message, createdAt: new Date(server.clock.now()) } })
  return message.id
}

/** Raises a flag on new words of the child, now; in a conversation of its own unless one is given. */
export async function flagWords(
  server: TestServer,
  family: Family,
  { words = 'words', severity = 'high', conversationId }: { words?: string; severity?: string; conversationId?: string } = {},
): Promise<Flagged> {
  const conversation = conversationId ?? (await startConversation(server.api, family))
  const messageId = await say(server, family, conversation, 'user', words, false)
  return { ...(await flagMessage(server, family, conversation, messageId, severity, 'family')), messageId, conversationId: conversation }
}

/** A turn that is kept from the family, counted as a turn is: the child's words, the words of help, and the flag for safeguarding. */
export async function discloseIn(
  server: TestServer,
  family: Family,
  conversationId: string,
  words: string,
  help = 'help',
): Promise<Flagged & { replyId: string }> {
  const { prisma } = server.deps.db
  const { childId } = family
  const messageId = await say(server, family, conversationId, 'user', words, true)
  const replyId = await say(server, family, conversationId, 'assistant', help, true)
  const { topicId } = await prisma.conversation.update({ where: { id: conversationId }, data: { childTurns: { increment: 1 } } })
  await prisma.learner.update({ where: { childId }, data: { childTurns: { increment: 1 } } })
  await prisma.topicDay.updateMany({ where: { childId, topicId }, data: { turns: { increment: 1 } } })
  const flag = await flagMessage(server, family, conversationId, messageId, 'high', 'safeguarding')
  return { ...flag, conversationId, messageId, replyId }
}

export async function flagMessage(server: TestServer, { childId }: Family, conversationId: string, messageId: string, severity: string, audience: Audience) {
  const flag = { childId, conversationId, messageId, category: 'self_harm', severity, action: 'crisis_script', audience }
  await server.deps.db.transaction((tx) => raiseFlag(tx, flag, new Date(server.clock.now())))
  const { id } = await server.deps.db.prisma.safetyFlag.findFirstOrThrow({ where: { messageId } })
  return { id }
}
