// The JDK has no longer this annotation, which generated code refers to.
package javax.annotation;

public @interface Generated {
    String[] value();
    String date() default "";

    String comments() default "";
}
