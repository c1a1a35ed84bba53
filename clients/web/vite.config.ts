import { defineConfig } from "vite";

// The page lives at `/` and at `/join/{call}`: every address in it is absolute.
export default defineConfig({
  base: "/",
  build: {
    outDir: "../../signaling/page",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy allows neither inline scripts nor data: scripts.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
