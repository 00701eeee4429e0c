// The style that is chosen in Cockpit's menu: light, dark, or as the system has it. Cockpit announces a change by an
// event in the page and in the storage.
const system = window.matchMedia("(prefers-color-scheme: dark)");

function apply(style) {
    const chosen = style ?? localStorage.getItem("shell:style") ?? "auto";
    const isDark = chosen === "dark" || (chosen === "auto" && system.matches);
    document.documentElement.classList.toggle("dark", isDark);
}

export function followStyle() {
    window.addEventListener("storage", event => {
        if (event.key === "shell:style")
            apply();
    });
    window.addEventListener("cockpit-style", ({ detail: { style } }) => apply(style));
    system.addEventListener("change", () => apply());
    apply();
}
