import { defineConfig } from 'vite';

// The service answers these; everything else is the console. Set GROUNDRULE_API to develop against a running service.
const api = process.env['GROUNDRULE_API'] ?? 'http://127.0.0.1:8765';
const served = ['/v1', '/ogc', '/healthz', '/readyz', '/openapi.json', '/ledger/checkpoint', '/ledger/policy', '/ledger/tile'];

export default defineConfig({
  base: '/',
  build: {
    outDir: process.env['GROUNDRULE_CONSOLE_OUT'] ?? '../src/groundrule/console/dist',
    emptyOutDir: true,
    target: 'es2022',
    // A data: address in a style or script would have to be allowed by the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    sourcemap: false,
  },
  worker: { format: 'es' },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: {
    host: '127.0.0.1',
    port: 5173,
    proxy: Object.fromEntries(served.map((path) => [path, { target: api, changeOrigin: false }])),
  },
  test: { environment: 'node', include: ['test/**/*.test.ts'], testTimeout: 60_000 },
} as Parameters<typeof defineConfig>[0]);
