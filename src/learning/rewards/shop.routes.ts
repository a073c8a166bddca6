import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Data, data, List, list } from '../../platform/http/envelope.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { ITEM_CATEGORIES, type ShopCatalogue } from './shop.catalogue.ts'
import type { OfferedItem, ShopService } from './shop.service.ts'

const tags = ['Rewards']
const PREVIEW_CACHE = 'public, max-age=86400'

const OfferView = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    category: z.enum(ITEM_CATEGORIES),
    cost: z.int().meta({ description: 'Stars' }),
    owned: z.boolean().meta({ description: 'A streak freeze can be bought again and again, three in hand at most' }),
    preview_url: z.url(),
  })
  .meta({
    id: 'ShopItem',
    example: {
      id: 'avatar_astronaut',
      name: 'Astronaut Avatar',
      description: 'Float among the stars in a shiny helmet.',
      category: 'avatar',
      cost: 100,
      owned: false,
      preview_url: 'https://api.brainspark.app/v1/shop/previews/avatar_astronaut.svg',
    },
  })

const PurchaseView = z
  .object({ purchased: z.literal(true), item: z.object({ id: z.string(), name: z.string() }), stars_spent: z.int(), new_balance: z.int() })
  .meta({ example: { purchased: true, item: { id: 'avatar_astronaut', name: 'Astronaut Avatar' }, stars_spent: 100, new_balance: 134 } })

/** Where a picture is, seen from whoever asks. */
export const previewUrl = (request: FastifyRequest, id: string): string => `${request.protocol}://${request.host}/v1/shop/previews/${id}.svg`

const toOfferView = (request: FastifyRequest, { item, isOwned }: OfferedItem): z.infer<typeof OfferView> => ({
  ...item,
  owned: isOwned,
  preview_url: previewUrl(request, item.id),
})

/** Sections 6.4 and 6.5 of the learning contract. */
export function registerShopRoutes(app: TypedApp, shop: ShopService, catalogue: ShopCatalogue): void {
  app.get(
    '/shop',
    { config: { actor: 'child', limit: 'general' }, schema: { tags, summary: 'Get the items of the shop', response: { 200: List(OfferView) } } },
    async (request) =>
      list(
        request,
        (await shop.offers(request.child)).map((offer) => toOfferView(request, offer)),
      ),
  )

  app.post(
    '/shop/:item_id/purchase',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'CONFLICT', 'UNPROCESSABLE_ENTITY'] },
      schema: {
        tags,
        summary: 'Buy an item',
        description: 'Too few stars: 422 with how many are missing as child_message. Owned already: 409.',
        params: z.strictObject({ item_id: z.string().max(64) }),
        response: { 200: Data(PurchaseView) },
      },
    },
    async (request) => {
      const { item, balance } = await shop.buy(request.child, request.operationId, request.params.item_id)
      return data(request, { purchased: true as const, item: { id: item.id, name: item.name }, stars_spent: item.cost, new_balance: balance })
    },
  )

  app.get(
    '/shop/previews/:file',
    {
      config: { actor: 'public', limit: 'general', errors: ['NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Get the picture of an item or avatar',
        produces: ['image/svg+xml'],
        params: z.strictObject({ file: z.string().max(80) }),
        response: { 200: z.string() },
      },
    },
    async (request, reply) => {
      const [, id] = /^([a-z_]+)\.svg$/.exec(request.params.file) ?? []
      const preview = id === undefined ? undefined : catalogue.preview(id)
      if (preview === undefined) throw new AppError('NOT_FOUND')
      return reply
        .header('cache-control', PREVIEW_CACHE)
        .header('cross-origin-resource-policy', 'cross-origin')
        .type('image/svg+xml')
        .serializer((body: unknown) => body as string)
        .send(preview)
    },
  )
}
