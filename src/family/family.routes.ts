import { Readable } from 'node:stream'
import { z } from 'zod'
import { isoSeconds } from '../platform/clock.ts'
import { Data, data, List, list, UuidParam } from '../platform/http/envelope.ts'
import type { TypedApp } from '../platform/http/typed-app.ts'
import type { ChildProfile, ChildrenService } from './children.service.ts'
import type { ErasureReceipt, ErasureService } from './erasure.service.ts'
import {
  ActivateBody,
  ActivationView,
  ChildView,
  CreateChildBody,
  DeleteAccountBody,
  ParentView,
  ReceiptView,
  UpdateChildBody,
  UpdateParentBody,
} from './family.schemas.ts'
import type { ParentProfile, ParentsService } from './parents.service.ts'

const ChildParams = UuidParam('child_id')

const toParentView = (parent: ParentProfile) => ({
  id: parent.id,
  email: parent.email,
  email_verified: parent.emailVerified,
  display_name: parent.displayName,
  timezone: parent.timezone,
  subscription_tier: parent.subscriptionTier,
  subscription_expires_at: parent.subscriptionExpiresAt && isoSeconds(parent.subscriptionExpiresAt),
  settings: parent.settings,
  created_at: isoSeconds(parent.createdAt),
  children: parent.children.map((child) => ({ id: child.id, name: child.name, age_group: child.ageGroup, avatar_id: child.avatarId })),
})

const toChildView = ({ child, birthDate, ageGroup }: ChildProfile) => ({
  id: child.id,
  name: child.name,
  birth_date: birthDate,
  age_group: ageGroup,
  avatar_id: child.avatarId,
  interests: child.interests,
  settings: {
    sound_enabled: child.soundEnabled,
    voice_over_enabled: child.voiceOverEnabled,
    daily_time_limit_minutes: child.dailyTimeLimitMinutes,
    bedtime_start: child.bedtimeStart,
    bedtime_end: child.bedtimeEnd,
    restricted_topics: child.restrictedTopics,
  },
  has_pin: child.pinHash !== null,
  created_at: isoSeconds(child.createdAt),
})

export interface FamilyServices {
  readonly parents: ParentsService
  readonly children: ChildrenService
  readonly erasure: ErasureService
  /** Everything held of a child, as pieces of one JSON text. */
  readonly exportChild: (childId: string, requestId: string) => AsyncIterable<string>
}

const toReceiptView = (receipt: ErasureReceipt): z.infer<typeof ReceiptView> => ({
  id: receipt.id,
  subject_hash: receipt.subjectHash,
  erased_at: isoSeconds(receipt.erasedAt),
  removed: receipt.removed,
  remaining: receipt.remaining,
})

/** Sections 3.1 and 3.2 of the learning contract. */
export function registerFamilyRoutes(app: TypedApp, { parents, children, erasure, exportChild }: FamilyServices): void {
  app.get(
    '/parents/me',
    { config: { actor: 'parent', limit: 'general' }, schema: { tags: ['Parents'], summary: 'Get the parent profile', response: { 200: Data(ParentView) } } },
    async (request) => data(request, toParentView(await parents.get(request.caller.accountId))),
  )

  app.patch(
    '/parents/me',
    {
      config: { actor: 'parent', limit: 'general' },
      schema: {
        tags: ['Parents'],
        summary: 'Update the parent profile',
        description: 'Settings are merged deeply: what is not named stays.',
        body: UpdateParentBody,
        response: { 200: Data(ParentView) },
      },
    },
    async (request) => data(request, toParentView(await parents.update(request.caller.accountId, request.body))),
  )

  app.post(
    '/children',
    {
      config: { actor: 'parent', limit: 'general', errors: ['UNPROCESSABLE_ENTITY'] },
      schema: {
        tags: ['Children'],
        summary: 'Create a child profile',
        description: 'The age group follows from the birth date: 4-6 wonder_cubs, 7-9 curious_explorers, 10-12 mind_masters.',
        body: CreateChildBody,
        response: { 201: Data(ChildView) },
      },
    },
    async (request, reply) => {
      const child = await children.create(request.caller.accountId, request.operationId, request.body)
      return reply.status(201).send(data(request, toChildView(child)))
    },
  )

  app.get(
    '/parents/me/erasures',
    {
      config: { actor: 'parent', limit: 'general' },
      schema: {
        tags: ['Parents'],
        summary: 'List the receipts of erased children',
        description:
          '`subject_hash` is the SHA-256 of the erased id in hex; `removed` counts rows by table; `remaining` counts, over every table there is, what still named the child: 0.',
        response: { 200: List(ReceiptView) },
      },
    },
    async (request) => list(request, (await erasure.receipts(request.caller.accountId)).map(toReceiptView)),
  )

  app.delete(
    '/parents/me',
    {
      config: { actor: 'parent', limit: 'general', errors: ['FORBIDDEN'] },
      schema: {
        tags: ['Parents'],
        summary: 'Delete the account',
        description:
          'Removes the account, its children and everything that belongs to them, at once and for good. Give the password; where the account has none, its e-mail address. The answer is the receipt.',
        body: DeleteAccountBody,
        response: { 200: Data(ReceiptView) },
      },
    },
    async (request) => data(request, toReceiptView(await erasure.eraseAccount(request.caller.accountId, request.body))),
  )

  const ofOneChild = { actor: 'parent', limit: 'general', childParam: 'child_id' } as const

  app.get(
    '/children/:child_id',
    { config: ofOneChild, schema: { tags: ['Children'], summary: 'Get a child profile', params: ChildParams, response: { 200: Data(ChildView) } } },
    async (request) => data(request, toChildView(await children.get(request.child.id, request.child.timezone))),
  )

  app.patch(
    '/children/:child_id',
    {
      config: ofOneChild,
      schema: {
        tags: ['Children'],
        summary: 'Update a child profile',
        description: 'Settings are merged: what is not named stays.',
        params: ChildParams,
        body: UpdateChildBody,
        response: { 200: Data(ChildView) },
      },
    },
    async (request) => data(request, toChildView(await children.update(request.child.id, request.child.timezone, request.body))),
  )

  app.get(
    '/children/:child_id/export',
    {
      config: ofOneChild,
      schema: {
        tags: ['Children'],
        summary: 'Export everything held of a child',
        description:
          'One JSON document, streamed: `data` has a list for each kind of thing, with its columns as they are stored. Secrets (PIN and tokens, stored as hashes) are left out.',
        params: ChildParams,
        produces: ['application/json'],
        response: { 200: Data(z.record(z.string(), z.array(z.record(z.string(), z.unknown())))) },
      },
    },
    async (request, reply) => {
      const name = `brainspark-${request.child.id}.json`
      // The type of the answer is that of the document; it goes out in pieces.
      return reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', `attachment; filename="${name}"`)
        .header('cache-control', 'no-store')
        .send(Readable.from(exportChild(request.child.id, request.id)) as never)
    },
  )

  app.delete(
    '/children/:child_id',
    {
      config: ofOneChild,
      schema: {
        tags: ['Children'],
        summary: 'Delete a child profile',
        description: 'Removes the child with everything that belongs to it. `GET /v1/parents/me/erasures` has the receipt.',
        params: ChildParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await erasure.eraseChild(request.caller.accountId, request.child.id)
      return reply.status(204).send(undefined)
    },
  )

  app.post(
    '/children/:child_id/activate',
    {
      config: { ...ofOneChild, errors: ['FORBIDDEN'] },
      schema: {
        tags: ['Children'],
        summary: 'Switch the active child',
        description:
          "Gives a token that speaks for this child alone, for 30 days; it outlives the parent's logout. Five wrong PINs in a row: 429 for 15 minutes for this session and child.",
        params: ChildParams,
        body: ActivateBody,
        response: { 200: Data(ActivationView) },
      },
    },
    async (request) => {
      const { child, token, expiresInSeconds } = await children.activate(request.caller, request.child.id, request.body?.pin, request.headers['user-agent'])
      return data(request, { child: { id: child.id, name: child.name, age_group: request.child.ageGroup }, session_token: token, expires_in: expiresInSeconds })
    },
  )
}
